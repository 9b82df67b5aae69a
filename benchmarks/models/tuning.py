"""Tuning beside KerasTuner: the same search, model, rows and epochs of flight_delay, one after the other.

    python -m benchmarks.models.tuning [--span 4] [--epochs 3] [--write]

Both run Hyperband with KerasTuner's own oracle. KerasTuner trains with `model.fit` on the transformed rows in memory;
this program trains with its own loop. Only the searches are measured; what both need before them (examples, transform,
imports) is not.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import keras_tuner
import numpy as np

from artifacts.examples.names import TRAIN, VALIDATION
from benchmarks.models.prepared import Circumstances, table, write_between
from components.ingest_examples.logic import PinnedSource, ingest
from components.transform_features.logic import Inputs as TransformInputs
from components.transform_features.logic import transform
from components.tune_model import workers
from components.tune_model.config import Config
from components.tune_model.logic import Inputs, Outputs, tune
from components.tune_model.space import Space
from core.user_code import ROOT
from pipelines.config import UseCase, find, load
from training.rows import Rows
from training.session import Session, Sources, opened
from training.settings import TrainingSettings
from training.trials.trial import Outcome, Trial
from usecases.flight_delay.data import PATTERN, write_spans

PAGE = ROOT / "docs" / "tuning.md"
SHARE = 0.6
"""Largest share of KerasTuner's seconds per epoch."""


class Measured(NamedTuple):
    """One search."""

    trials: int
    epochs: int
    seconds: float
    cpu_seconds: float
    skill: float
    """The best AUC on the held-back span."""


def main() -> None:
    """Measure both, print a table, and exit with 1 when the goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.models.tuning", description=__doc__)
    parser.add_argument("--span", type=int, default=4, help="the evaluating span (default: 4)")
    parser.add_argument("--epochs", type=int, default=3, help="epochs of the longest trials")
    parser.add_argument("--write", action="store_true", help="write the table to docs/tuning.md")
    asked = parser.parse_args()
    circumstances = Circumstances()
    usecase = load(find("flight_delay"))
    with tempfile.TemporaryDirectory(prefix="tuning-") as temporary:
        inputs = _prepared(usecase, asked.span, Path(temporary))
        section = usecase.section("train_model") | {"epochs": asked.epochs}
        changes = {"method": "hyperband", "workers": 1, "compare_seeds": [101]}
        config = Config.model_validate(usecase.section("tune_model") | changes)
        ours = _ours(config, section, inputs, Path(temporary, "tuned"))
        theirs = _theirs(config, TrainingSettings.of(section), inputs, Path(temporary))
    rows = []
    for name, one in (("this program", ours), ("KerasTuner", theirs)):
        each = (f"{one.seconds / one.epochs:.2f}", f"{one.cpu_seconds / one.epochs:.2f}")
        rows.append([name, f"{one.trials}", f"{one.epochs}", f"{one.seconds:.1f}", *each, f"{one.skill:.4f}"])
    ratio = (ours.seconds / ours.epochs) / (theirs.seconds / theirs.epochs)
    cpu = (ours.cpu_seconds / ours.epochs) / (theirs.cpu_seconds / theirs.epochs)
    headings = ("", "trials", "epochs", "seconds", "seconds an epoch", "CPU seconds an epoch", "best AUC, span 3")
    shares = f"{ratio:.2f} of KerasTuner's seconds an epoch, {cpu:.2f} of its CPU seconds; the goal is {SHARE:g}."
    text = f"{circumstances}\n\n{table(headings, rows)}\n\n{shares}"
    print(text)
    if asked.write:
        write_between(PAGE, "beside KerasTuner", text)
    sys.exit(0 if ratio <= SHARE else 1)


def _prepared(usecase: UseCase, span: int, folder: Path) -> Inputs:
    write_spans(folder / "data")
    schema, examples, graph = usecase.schema_file, folder / "examples", folder / "graph"
    ingest(usecase.ingest_examples, PinnedSource(str(folder / "data" / PATTERN), span, ""), schema, examples)
    transform(usecase.transform_features, TransformInputs(usecase.module, schema, examples), graph)
    return Inputs(usecase.module, schema, examples, graph)


def _ours(config: Config, section: dict[str, Any], inputs: Inputs, place: Path) -> Measured:
    run, outcomes = workers._run, []

    def counted(trial: Trial) -> Outcome:
        outcomes.append(run(trial))
        return outcomes[-1]

    workers._run = counted
    outputs = Outputs(place, place.with_suffix(".json"), place.with_suffix(".html"))
    seconds, cpu = _timed(lambda: tune(config, section, inputs, outputs))
    skill = max(outcome.skill or 0.0 for outcome in outcomes)
    return Measured(len(outcomes), sum(outcome.epochs_run for outcome in outcomes), seconds, cpu, skill)


def _theirs(config: Config, settings: TrainingSettings, inputs: Inputs, folder: Path) -> Measured:
    """Search with KerasTuner's tuner, on the same rows in memory."""
    import keras

    space = Space.of(config.space)
    with opened(settings, Sources(*inputs[:4]), (1, 2)) as session:
        model = session.build()
        training = _arrays(session.rows(model, TRAIN, (1, 2)))
        held_back = [_arrays(session.rows(model, split, (3,))) for split in (TRAIN, VALIDATION)]
        compared = _joined(held_back)

        def build(hp: Any) -> Any:
            values = {one.name: hp._retrieve(one) for one in space.hyperparameters.space}
            return _built(session, space.point(values))

        epochs: list[int] = []
        counter = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, _: epochs.append(epoch))
        tuner = keras_tuner.Hyperband(
            build,
            objective=keras_tuner.Objective("val_auc", "max"),
            max_epochs=settings.epochs,
            factor=config.factor,
            seed=config.seed,
            directory=str(folder),
            project_name="peer",
        )

        def search() -> None:
            tuner.search(
                *training, batch_size=settings.batch_size, validation_data=compared, verbose=0, callbacks=[counter]
            )

        seconds, cpu = _timed(search)
    trials = tuner.oracle.get_best_trials(100)
    return Measured(len(trials), len(epochs), seconds, cpu, float(trials[0].score))


def _built(session: Session, point: dict[str, Any]) -> Any:
    return session.variant(hyperparameters=point).build()


def _arrays(rows: Rows) -> tuple[dict[str, Any], Any]:
    blocks = list(rows.blocks())
    names = list(blocks[0][0])
    return (
        {name: np.concatenate([block[0][name] for block in blocks]) for name in names},
        np.concatenate([block[1] for block in blocks]),
    )


def _joined(parts: list[tuple[dict[str, Any], Any]]) -> tuple[dict[str, Any], Any]:
    features = {name: np.concatenate([part[0][name] for part in parts]) for name in parts[0][0]}
    return features, np.concatenate([part[1] for part in parts])


def _timed(call: Callable[[], object]) -> tuple[float, float]:
    start, cpu = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - start, time.process_time() - cpu


if __name__ == "__main__":
    main()
