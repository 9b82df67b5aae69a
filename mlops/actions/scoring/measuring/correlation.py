"""Trains variants of the model, and compares their skill offline with that of the answers of a real server.

The variants learn from more and more wrong labels. Offline are the rows that were held out of the training's spans; the
labeled rows that came later, the eval split, stand for requests and for what became of them.
"""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from artifacts.examples.names import EVAL, VALIDATION
from artifacts.model.names import SERVING
from artifacts.model.sampled_rows import sample_rows
from artifacts.predictions.labels import LabelReader
from artifacts.predictions.split import Block
from components.validate_infra.requests import Client, ServerGone
from core.errors import MlopsError
from mlops.actions.scoring.measuring.bench import Bench
from problems import kind
from problems.labels import TrainedLabel
from serving.candidate import CandidateServer
from training.session import Session

WRONG = (0.0, 0.4, 0.6, 0.7, 0.8, 0.85, 0.9, 0.94, 0.97, 1.0)
"""Shares of the labels that are those of other rows, one variant for each."""
ROWS = 3000
_PER_REQUEST = 250
_STARTUP_SECONDS = 300.0
_REQUEST_SECONDS = 120.0


class Stream(NamedTuple):
    """Labeled rows that a server is asked."""

    block: Block
    instances: tuple[dict[str, Any], ...]
    indices: NDArray[np.intp]


def measure(bench: Bench) -> dict[str, Any]:
    """Return each variant's skill offline and online, and Spearman's rank correlation of the two."""
    problem = kind(bench.subject.usecase.problem.task)
    block = bench.splits.sample(EVAL, ROWS, seed=1)
    sampled = sample_rows(block.batch, bench.not_sent, ROWS)
    stream = Stream(block, sampled.rows, sampled.indices)
    variants = []
    with tempfile.TemporaryDirectory(prefix="variants-") as temporary:
        for number, share in enumerate(WRONG):
            skills = _variant(bench, share, stream, Path(temporary, str(number)))
            variants.append({"wrong_labels": share, "offline": skills[0], "online": skills[1]})
    offline, online = (_ranked([one[side] for one in variants]) for side in ("offline", "online"))
    correlation = float(np.corrcoef(offline, online)[0, 1])
    return {
        "skill": problem.skill_name,
        "variants": variants,
        "correlation": correlation,
        "rows": len(stream.instances),
    }


def _variant(bench: Bench, share: float, stream: Stream, folder: Path) -> tuple[float, float]:
    """Train a variant; return its skill on the held-out rows, and on the answers of a server."""
    whole = bench.session
    session = whole.altered(_wrong_labels(whole.settings.label, share, whole.settings.seed))
    model = session.build()
    session.fit(model)
    held_out = whole.predictions(model, whole.rows(model, VALIDATION))
    problem = kind(whole.settings.task)
    offline = problem.skill(held_out.labels, held_out.scores, held_out.weights)
    label = whole.export(model, folder)
    return offline, _online(label, folder, stream, session)


def _online(label: TrainedLabel, folder: Path, stream: Stream, session: Session) -> float:
    """Serve a model in a process of its own, ask it every row, and join its answers with the labels."""
    problem = kind(session.settings.task)
    with CandidateServer(folder / SERVING, folder / "server.log") as server:
        try:
            answers = list(_answers(Client(server, _REQUEST_SECONDS), stream))
        except ServerGone as error:
            raise MlopsError(f"the server of a variant: {error}; {server.log_tail()[-300:]}") from None
    output = np.array([_numbers(one) for one in answers], np.float32)
    shaped = problem.shaped(output, "the server")
    width = shaped.shape[1] if shaped.ndim == 2 else 2
    labels = LabelReader(label, width, folder)(stream.block)[stream.indices]
    return float(problem.skill(labels, problem.scores(shaped, label.output).values))


def _answers(client: Client, stream: Stream) -> Iterator[Any]:
    """Yield what a server answers to each row; MlopsError when it refuses one."""
    client.await_ready(_STARTUP_SECONDS)
    for start in range(0, len(stream.instances), _PER_REQUEST):
        reply = client.predict(list(stream.instances[start : start + _PER_REQUEST]))
        if not isinstance(reply.content, list):
            raise MlopsError(f"the server refused rows of the evaluation: {reply.content}")
        yield from reply.content


def _numbers(answer: Any) -> Any:
    """Return the numbers of one answer, which with several outputs is an object."""
    if isinstance(answer, dict):
        return next(answer[name] for name in ("scores", "outputs", "probabilities", *answer) if name in answer)
    return answer


def _wrong_labels(name: str, share: float, seed: int) -> Callable[[pa.RecordBatch], pa.RecordBatch]:
    """Return what gives a share of the rows of a batch the labels of other rows."""
    random = np.random.default_rng(seed)

    def change(batch: pa.RecordBatch) -> pa.RecordBatch:
        order = np.arange(batch.num_rows)
        chosen = np.flatnonzero(random.random(batch.num_rows) < share)
        order[chosen] = random.permutation(chosen)
        at = batch.schema.get_field_index(name)
        columns = list(batch.columns)
        columns[at] = columns[at].take(pa.array(order))
        return pa.RecordBatch.from_arrays(columns, schema=batch.schema)

    return change


def _ranked(values: list[float]) -> NDArray[np.float64]:
    from scipy.stats import rankdata  # noqa: PLC0415

    ranks: NDArray[np.float64] = rankdata(values)
    return ranks
