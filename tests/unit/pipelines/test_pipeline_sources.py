"""What the pipeline `inference` reads: the use case's own spans or other files, without label and weight."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from core.errors import ConfigError
from pipelines.config import USECASES, UseCase, find, load
from pipelines.sources import ingest_unlabeled, reads


def _usecase(tmp_path: Path, ingest: dict[str, Any] | None = None, **infer_bulk: Any) -> UseCase:
    settings = yaml.safe_load((USECASES / "flight_delay" / "config.yaml").read_text(encoding="utf-8"))
    settings["infer_bulk"] = infer_bulk
    settings["ingest_examples"] |= ingest or {}
    settings["problem"]["weight"] = "seats"
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    return load(tmp_path)


def test_without_a_section_the_newest_span_of_the_source_is_read() -> None:
    usecase = load(find("flight_delay"))
    read = reads(usecase, "inference")
    assert (read.pattern, read.span, read.spans) == (usecase.source.pattern, usecase.source.span, 1)
    assert reads(usecase, "level1").spans == 4
    section = ingest_unlabeled(usecase)
    assert (section["window"], section["split"]["by"], section["leave_out"]) == (1, "none", ["late"])


def test_other_files_in_another_format(tmp_path: Path) -> None:
    ingest = {"format": "csv", "delimiter": ";", "timestamps": {"sent": ["hour"]}, "leave_out": ["id"]}
    usecase = _usecase(tmp_path, ingest, source="/deliveries/*.gz", format="tfrecord", span="2024-01-31", window=2)
    read = reads(usecase, "inference")
    assert (read.pattern, read.span, read.spans, read.spanless) == ("/deliveries/*.gz", "2024-01-31", 2, True)
    section = ingest_unlabeled(usecase)
    assert (section["format"], section["delimiter"], section["timestamps"]) == ("tfrecord", ",", {})
    assert section["leave_out"] == ["id", "late", "seats"]


def test_a_label_that_is_a_time_is_refused(tmp_path: Path) -> None:
    usecase = _usecase(tmp_path, {"timestamps": {"late": ["hour"]}})
    with pytest.raises(ConfigError, match="infer_bulk with ingest_examples: wanted late in one of"):
        ingest_unlabeled(usecase)


@pytest.mark.parametrize(
    ("infer_bulk", "wanted"),
    [
        ({"format": "parket"}, "did you mean 'parquet'"),
        ({"outputs": []}, "infer_bulk.outputs"),
        ({"output_columns": {"a": "p", "b": "p"}}, "got p twice"),
        ({"model_signature_nam": "x"}, "did you mean 'model_signature_name'"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, infer_bulk: dict[str, Any], wanted: str) -> None:
    with pytest.raises(ConfigError, match=wanted):
        _usecase(tmp_path, **infer_bulk)
