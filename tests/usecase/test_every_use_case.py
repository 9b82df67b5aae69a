"""What every use case promises: a complete folder and scope, and data that is written once and as its schema says."""

from pathlib import Path

import pytest

from artifacts.examples.manifest import ExamplesManifest
from artifacts.schema.schema_file import read_schema
from artifacts.spans.files import resolve
from components.ingest_examples.logic import PinnedSource, ingest
from components.scope_use_case.logic import scope
from core.user_code import load as load_code
from core.user_code import reference
from pipelines.config import USECASES, UseCase, load

NAMES = sorted(path.parent.name for path in USECASES.glob("*/config.yaml"))


@pytest.fixture(scope="module", params=NAMES)
def usecase(request: pytest.FixtureRequest) -> UseCase:
    return load(USECASES / request.param)


@pytest.fixture(scope="module")
def spans(usecase: UseCase, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(usecase.name)
    load_code(reference(usecase.folder / "data.py")).write_spans(folder)
    return folder


def test_the_folder_holds_what_a_use_case_needs(usecase: UseCase) -> None:
    files = {path.name for path in usecase.folder.iterdir()}
    assert {"config.yaml", "schema.pbtxt", "module.py", "data.py", "README.md"} <= files
    samples = [name for name in files if name.startswith("sample.")]
    assert len(samples) == 1
    assert (usecase.folder / samples[0]).stat().st_size < 50_000


def test_the_scope_is_complete(usecase: UseCase, tmp_path: Path) -> None:
    assert scope(usecase.scope_use_case, tmp_path / "decision.json").is_open


def test_every_span_is_written_and_only_once(usecase: UseCase, spans: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in spans.rglob("*") if path.is_file()}
    module = load_code(reference(usecase.folder / "data.py"))
    assert len(before) == len(module.SPANS)
    module.write_spans(spans)
    assert before == {path: path.stat().st_mtime_ns for path in spans.rglob("*") if path.is_file()}


def test_a_span_that_is_gone_is_written_again_to_the_same_bytes(usecase: UseCase, spans: Path) -> None:
    path = max(path for path in spans.rglob("*") if path.is_file())
    before = path.read_bytes()
    path.unlink()
    load_code(reference(usecase.folder / "data.py")).write_spans(spans)
    assert path.read_bytes() == before
    assert not [one for one in spans.rglob("*") if "staging" in one.name]


def test_the_data_is_read_as_the_schema_says(usecase: UseCase, spans: Path, tmp_path: Path) -> None:
    """The reader is strict: a column that the schema does not know, or another type, would be an error."""
    config = usecase.ingest_examples
    window = resolve(f"{spans}/{usecase.source.pattern}", usecase.source.span, config.spans)
    schema = str(usecase.folder / "schema.pbtxt")
    ingest(config, PinnedSource(window.pattern, window.spans[-1], ""), schema, tmp_path / "examples")
    manifest = ExamplesManifest.read(tmp_path / "examples")
    assert manifest.rejected == 0
    assert manifest.records("train") > manifest.records("eval") or config.window == 1
    assert usecase.problem.label in {feature.name for feature in read_schema(schema).feature}
