"""The files that TFX's components wrote, which its package carries as test data, are read by this project's readers."""

import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from artifacts.examples import tfrecord
from artifacts.examples.manifest import ExamplesManifest
from artifacts.schema.schema_file import read_schema
from artifacts.statistics import features, folder
from components.ingest_examples.config import Config
from components.ingest_examples.logic import PinnedSource, ingest
from core.backends.registry import open_registry

TESTDATA = Path(
    (find_spec("tfx") or pytest.fail("tfx is not installed")).submodule_search_locations[0], "components/testdata"
)  # type: ignore[index]


def _records(pattern: str) -> list[bytes]:
    found = []
    for path in sorted(TESTDATA.glob(pattern)):
        found += [bytes(record) for record in tfrecord.read_trusted(tfrecord.inflate(path))]
    return found


def test_examples_of_csv_example_gen_are_a_span(tmp_path: Path) -> None:
    """As an ExampleGen leaves them: `<id of the execution>/Split-<name>/`; the id is the span."""
    shutil.copytree(TESTDATA / "csv_example_gen", tmp_path / "7")
    config = Config.model_validate({"format": "tfrecord", "window": 1, "split": {"by": "hash"}})
    schema = str(TESTDATA / "schema_gen" / "schema.pbtxt")
    ingest(config, PinnedSource(f"{tmp_path}/{{SPAN}}/Split-*/*.gz", 7, ""), schema, tmp_path / "examples")
    manifest = ExamplesManifest.read(tmp_path / "examples")
    assert manifest.spans == (7,)
    shards = [tfrecord.read_trusted(tfrecord.inflate(tmp_path / "examples" / one.name)) for one in manifest.shards]
    ours = [bytes(record) for shard in shards for record in shard]
    assert sorted(ours) == sorted(_records("csv_example_gen/Split-*/*.gz"))


def test_statistics_of_statistics_gen_have_their_splits_and_features() -> None:
    found = folder.read(TESTDATA / "statistics_gen")
    assert set(found) == {"Split-train", "Split-eval"}
    for statistics in found.values():
        assert features.examples(statistics) > 4000
        assert features.by_name(statistics)["trip_miles"].num_stats.mean > 0


@pytest.mark.parametrize(
    ("place", "feature"),
    [
        ("schema_gen", "payment_type"),
        ("transform/transform_graph/metadata", "payment_type"),
        ("transform/transform_graph/transformed_metadata", "payment_type_xf"),
    ],
)
def test_schemas_of_schema_gen_and_transform(place: str, feature: str) -> None:
    assert feature in {one.name for one in read_schema(TESTDATA / place / "schema.pbtxt").feature}


def test_what_pusher_pushed_is_published(tmp_path: Path) -> None:
    (pushed,) = (TESTDATA / "pusher" / "model_push").iterdir()
    version = open_registry(str(tmp_path)).publish("taxi", pushed, {})
    assert version.version == 1
    assert (version.path / "saved_model.pb").read_bytes() == (pushed / "saved_model.pb").read_bytes()
