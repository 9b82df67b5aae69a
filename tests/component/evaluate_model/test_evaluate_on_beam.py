"""Beam gives the numbers and decisions of one process; of a sample, the report says what it is."""

import gzip
import json
import shutil
import sys
import tempfile
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings

sys.path.insert(0, str(Path(__file__).parent))

from world import Model, Planted, read, rows, write_examples

from artifacts.examples import tfrecord
from artifacts.examples.manifest import ExamplesManifest, Shard
from components.evaluate_model.config import Config
from components.evaluate_model.logic import Inputs, Outputs, evaluate
from core import digest
from core.backends.registry import open_registry
from core.decision import Decision
from core.errors import CorruptArtifact, EmptyDataset
from tests.odd_shards import ODD, Odd, write
from tests.unreachable_runner import SAID, RunnerUnreachable, unreachable

WHY = "measured on these flights"
CONFIG: dict[str, Any] = {
    "label": "late",
    "task": "binary_classification",
    "metrics": [{"name": "auc", "at_least": 0.7, "why": WHY}],
    "slices": [["carrier"], ["carrier", "hour"]],
    "max_slices": 20,
    "slice_thresholds": [{"metric": "auc", "slices": [["carrier"]], "at_least": 0.6}],
    "change": [{"metric": "auc", "at_least_change": -0.05}],
    "baselines": [{"kind": "majority"}, {"kind": "rate_table", "keys": ["carrier"]}, {"kind": "linear"}],
    "leak": {"suspicious_above": 0.99, "feature_above": 0.95},
    "baseline_examples": 700,
    "batch_size": 256,
    "min_examples": 100,
    "min_slice_examples": 50,
}


def divided(folder: Path, sizes: tuple[int, ...]) -> Path:
    """Divide each split's shard into several; sizes are those of all but the last."""
    manifest = ExamplesManifest.read(folder)
    shards = []
    for shard in manifest.shards:
        records = list(tfrecord.read_trusted(tfrecord.inflate(folder / shard.name)))
        bounds = [*np.cumsum(sizes), len(records)]
        for number, (start, end) in enumerate(zip([0, *bounds[:-1]], bounds, strict=True)):
            name = f"Split-{shard.split}/span-00001-{number:05d}-of-{len(bounds):05d}.gz"
            with gzip.open(folder / name, "wb", compresslevel=1) as stream:
                stream.write(b"".join(map(tfrecord.frame, records[start:end])))
            sha256 = digest.of_file(folder / name)
            shards.append(Shard(name=name, split=shard.split, span=1, records=int(end - start), sha256=sha256))
        (folder / shard.name).unlink()
    manifest.model_copy(update={"shards": tuple(shards)}).write(folder)
    return folder


class Ground:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.examples = divided(write_examples(root / "examples", rows(900, 1), rows(1200, 2)), (0, 1, 500))
        self.candidate = Model(Planted()).save(root / "candidate")
        champion = Model(Planted(wind=0.2)).save(root / "champion")
        registry = open_registry(str(root / "registry"))
        published = registry.publish("m", champion / "Format-Serving", {})
        self.champion = f"{published.version}@{published.digest}"

    @cached_property
    def ours(self) -> tuple[Decision, Any]:
        """The candidate evaluated without Beam, in the folder `one`."""
        return self.run("one", beam=False)

    def run(
        self, name: str, *, beam: bool, candidate: Path | None = None, examples: Path | None = None, **changes: Any
    ) -> tuple[Decision, Any]:
        out = self.root / name
        config = Config.model_validate(CONFIG | changes | ({"beam": {"engine": "beam"}} if beam else {}))
        schema = str(self.examples / "schema.pbtxt")
        inputs = Inputs(schema, examples or self.examples, candidate or self.candidate, "", "")
        outputs = Outputs(out, out / "decision.json", out / "pictures.html", lambda *_: None)
        return evaluate(config, inputs, outputs), read(out / "metrics.json")


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    return Ground(tmp_path_factory.mktemp("ground"))


def same(one: Any, other: Any, where: str = "") -> None:
    """Compare numbers up to float32's last digits, in which TFMA's own sums differ from ours."""
    if isinstance(one, dict):
        assert one.keys() == other.keys(), where
        for key in one:
            same(one[key], other[key], f"{where}.{key}")
    elif isinstance(one, list):
        assert len(one) == len(other), where
        for index, (left, right) in enumerate(zip(one, other, strict=True)):
            same(left, right, f"{where}[{index}]")
    elif isinstance(one, float):
        assert other == pytest.approx(one, rel=5e-6, abs=1e-9), where
    else:
        assert one == other, where


def test_both_engines_give_the_same_metrics_decision_and_rows(ground: Ground) -> None:
    ours, numbers = ground.ours
    theirs, found = ground.run("beam", beam=True)
    same(numbers, found)
    same(json.loads(ours.model_dump_json()), json.loads(theirs.model_dump_json()))
    assert (ground.root / "one" / "parity.jsonl").read_bytes() == (ground.root / "beam" / "parity.jsonl").read_bytes()
    assert {path.name for path in (ground.root / "one" / "tfma").iterdir()} == {
        path.name for path in (ground.root / "beam" / "tfma").iterdir()
    }
    assert "sample" not in found


def _table(count: int, seed: int) -> pa.Table:
    """Return rows of the world, of which some have no wind."""
    drawn = rows(count, seed)
    return pa.table(
        {
            "late": drawn.late,
            "carrier": pa.array(drawn.carrier.tolist(), pa.string()),
            "hour": drawn.hour,
            "load": drawn.load.astype("f4"),
            "wind": pa.array(drawn.wind.astype("f4"), mask=np.isnan(drawn.wind)),
        }
    )


@pytest.mark.nightly("evaluates each of several examples twice; an empty shard and one of a row are in the tests above")
@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@given(train=ODD, held_back=ODD)
def test_odd_shards_are_evaluated_alike_on_both_engines(ground: Ground, train: list[Odd], held_back: list[Odd]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        examples = write(Path(folder) / "examples", {"train": train, "eval": held_back}, _table, "wind")
        (ours, numbers), (theirs, found) = (
            ground.run(f"{folder}/{beam}", beam=beam, examples=examples) for beam in (False, True)
        )
    same(numbers, found)
    same(json.loads(ours.model_dump_json()), json.loads(theirs.model_dump_json()))


def test_of_a_sample_the_metrics_of_tfma_are_those_of_all_rows(ground: Ground) -> None:
    _, whole = ground.ours
    decision, found = ground.run("sampled", beam=True, sample_rows=1000, baselines=[], leak={})
    assert found["sample"] == {"rows": 1000, "of": 1200, "seed": 0}
    assert found["examples"] == 1200
    assert found["overall"]["candidate"]["auc"] == pytest.approx(whole["overall"]["candidate"]["auc"], rel=5e-6)
    assert found["overall"]["candidate"]["brier_score"] != whole["overall"]["candidate"]["brier_score"]
    assert [one["examples"] for one in found["slices"]] and sum(
        one["examples"] for one in found["slices"] if set(one["slice"]) == {"carrier"}
    ) == 1200
    assert "a random sample of 1,000 of 1,200 rows" in (ground.root / "sampled" / "pictures.html").read_text()
    assert decision.is_open


def test_a_model_that_diverged_closes_the_gate_on_both_engines(ground: Ground, tmp_path: Path) -> None:
    broken = Model(Planted(nan=True)).save(tmp_path / "nan")
    reasons = [
        [check.observed for check in ground.run(f"nan-{beam}", beam=beam, candidate=broken)[0].checks]
        for beam in (False, True)
    ]
    assert reasons[0] == reasons[1]


def test_a_damaged_shard_is_named(ground: Ground, tmp_path: Path) -> None:
    examples = divided(write_examples(tmp_path / "examples", rows(300, 1), rows(300, 2)), (100,))
    shard = ExamplesManifest.read(examples).of_split("eval")[1]
    (examples / shard.name).write_bytes((examples / shard.name).read_bytes()[:-20])
    out = tmp_path / "out"
    config = Config.model_validate(CONFIG | {"beam": {"engine": "beam"}, "baselines": [], "leak": {}})
    inputs = Inputs(str(examples / "schema.pbtxt"), examples, ground.candidate)
    with pytest.raises(CorruptArtifact, match=f"{shard.name}: wanted sha256:.*run ingest_examples again$"):
        evaluate(config, inputs, Outputs(out, out / "d.json", out / "p.html", lambda *_: None))


@pytest.mark.parametrize("beam", [False, True])
def test_a_split_without_rows_is_named(ground: Ground, tmp_path: Path, beam: bool) -> None:
    shutil.copytree(ground.examples, examples := tmp_path / "examples")
    manifest = ExamplesManifest.read(examples)
    empty = manifest.of_split("eval")[:1]
    assert [shard.records for shard in empty] == [0]
    manifest.model_copy(update={"shards": (*manifest.of_split("train"), *empty)}).write(examples)
    with pytest.raises(EmptyDataset, match="wanted rows in the split 'eval', got none"):
        ground.run(f"empty-{beam}", beam=beam, examples=examples, baselines=[], leak={})


def test_a_runner_that_is_not_there_is_named(ground: Ground, tmp_path: Path) -> None:
    config = Config.model_validate(CONFIG | {"beam": unreachable()})
    inputs = Inputs(str(ground.examples / "schema.pbtxt"), ground.examples, ground.candidate)
    with pytest.raises(RunnerUnreachable, match=SAID):
        evaluate(config, inputs, Outputs(tmp_path, tmp_path / "d.json", tmp_path / "p.html", lambda *_: None))
