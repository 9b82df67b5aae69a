"""A proposed schema passes the gate on the data that it was proposed from, whatever the data looks like."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
import yaml
from tensorflow_metadata.proto.v0.schema_pb2 import DISABLED, FLOAT

from artifacts.examples.encoder import encode
from artifacts.examples.tfrecord import FOOTER, HEADER, masked_crc
from artifacts.schema.schema_file import read_schema_with_derived
from components.compute_statistics.logic import compute
from components.ingest_examples.logic import PinnedSource, ingest
from components.validate_data.logic import Outputs, validate
from core.decision import Decision
from core.store import Store
from core.user_code import ROOT
from mlops.actions.proposed_schema import propose_schema
from pipelines.config import UseCase, load

FLIGHTS = ROOT / "usecases" / "flight_delay" / "config.yaml"
SYLLABLES = ("lo", "ra", "mi", "ten", "us", "qua", "vi", "sol")


def make_usecase(root: Path, format: str, task: str = "binary_classification", **ingesting: Any) -> UseCase:
    """flight_delay's configuration over other data."""
    config = yaml.safe_load(FLIGHTS.read_text())
    config["source"] = {"pattern": str(root / "data" / f"{{SPAN}}.{format}")}
    config["problem"] |= {"label": "label", "task": task}
    config["ingest_examples"] = {"format": format, "window": 2, **ingesting}
    config["validate_data"] = {"min_examples": 5, "on_drift": "stop"}
    for section in ("evaluate_model", "train_model"):
        config.pop(section)
    config["train_model"] = {}
    config["evaluate_model"] = {}
    (root / "uc").mkdir(exist_ok=True)
    (root / "uc" / "config.yaml").write_text(yaml.safe_dump(config))
    (root / "data").mkdir(exist_ok=True)
    return load(root / "uc")


def word(random: np.random.Generator) -> str:
    return "".join(random.choice(SYLLABLES, random.integers(1, 4)))


KINDS: dict[str, Callable[[np.random.Generator, int], list[Any]]] = {
    "number": lambda random, rows: (random.normal(size=rows) * 10.0 ** random.integers(-6, 6)).tolist(),
    "whole": lambda random, rows: random.integers(-3, 10 ** int(random.integers(1, 9)), rows).tolist(),
    "constant": lambda _, rows: [7] * rows,
    "category": lambda random, rows: random.choice(["red", "green", "grey ", "ö"], rows).tolist(),
    "names": lambda random, rows: [word(random) for _ in range(rows)],
    "identifier": lambda random, rows: [f"id-{number}" for number in random.permutation(10**6)[:rows]],
    "text": lambda random, rows: [" ".join(word(random) for _ in range(random.integers(3, 20))) for _ in range(rows)],
    "empty": lambda _, rows: [None] * rows,
    "list": lambda random, rows: [random.normal(size=random.integers(0, 4)).tolist() for _ in range(rows)],
    "vector": lambda random, rows: random.normal(size=(rows, 3)).tolist(),
}
WITH_GAPS = ("number", "whole", "constant", "category", "names")


def column(random: np.random.Generator, kind: str, rows: int) -> list[Any]:
    share = float(random.choice([0.0, 0.0, 0.1, 0.5, 0.97])) if kind in WITH_GAPS else 0.0
    values = KINDS[kind](random, rows)
    return [None if gone else value for value, gone in zip(values, random.random(rows) < share, strict=True)]


SINGLE = ("number", "whole", "constant", "category", "names", "identifier", "text", "empty")


def tables(random: np.random.Generator, kinds: list[str], spans: int) -> list[pa.Table]:
    found = []
    for _ in range(spans):
        rows = int(random.integers(150, 300))  # a tenth of them are a split, which needs 5 and both labels
        columns = {f"{kind}_{number}": column(random, kind, rows) for number, kind in enumerate(kinds)}
        columns["label"] = random.integers(0, 2, rows).tolist()
        found.append(pa.table(columns))
    return found


def write(folder: Path, format: str, span: int, table: pa.Table) -> None:
    path = folder / f"{span}.{format}"
    if format == "csv":
        pa_csv.write_csv(table, path)
    elif format == "parquet":
        pq.write_table(table, path)
    else:
        plain = table.select(
            [name for name in table.column_names if not pa.types.is_null(table.schema.field(name).type)]
        )
        kinds = {pa.string(): pa.binary(), pa.float64(): pa.float32(), pa.list_(pa.float64()): pa.list_(pa.float32())}
        cast = plain.cast(pa.schema([(f.name, kinds.get(f.type, f.type)) for f in plain.schema]))
        content = b""
        for record in encode(cast.combine_chunks().to_batches()[0]).to_pylist():
            size = len(record).to_bytes(8, "little")
            content += HEADER.pack(len(record), masked_crc(size)) + record + FOOTER.pack(masked_crc(record))
        path.write_bytes(content)


def gate(root: Path, usecase: UseCase, span: int) -> Decision:
    schema = str(usecase.folder / "schema.pbtxt")
    source = PinnedSource(usecase.source.pattern, span, "")
    ingest(usecase.ingest_examples, source, schema, root / "examples")
    compute(usecase.compute_statistics, root / "examples", schema, root / "statistics", root / "data.html")
    outputs = Outputs(str(root / "anomalies"), str(root / "decision.json"), str(root / "gate.html"))
    config = usecase.validate_data.model_copy(update={"label": usecase.problem.label})
    return validate(config, root / "statistics", schema, outputs)


NIGHTLY = pytest.mark.nightly("a second of CPU for each table; two tables of each format are tried by default")


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=NIGHTLY) for seed in range(2, 12))])
@pytest.mark.parametrize("format", ["csv", "parquet", "tfrecord"])
def test_data_passes_the_gate_with_the_schema_that_is_proposed_for_it(tmp_path: Path, format: str, seed: int) -> None:
    random = np.random.default_rng([seed, len(format)])
    kinds = list(random.permutation(SINGLE + (("list", "vector") if format != "csv" else ()))[:6])
    spans = int(random.integers(1, 4))
    split = {"by": "hash" if spans == 1 else str(random.choice(["time", "hash"]))}
    usecase = make_usecase(tmp_path, format, split=split)
    for span, table in enumerate(tables(random, kinds, spans), 1):
        write(tmp_path / "data", format, span, table)
    proposal = propose_schema(usecase, Store(tmp_path / "home"))
    proposal.write()
    if spans == 1:
        usecase = usecase.model_copy(
            update={"validate_data": usecase.validate_data.model_copy(update={"on_drift": "off"})}
        )
    assert gate(tmp_path, usecase, spans).is_open


def features(usecase: UseCase) -> dict[str, Any]:
    return {feature.name: feature for feature in read_schema_with_derived(usecase.folder / "schema.pbtxt").feature}


def csv_span(root: Path, span: int, **columns: list[Any]) -> None:
    pa_csv.write_csv(pa.table(columns), root / "data" / f"{span}.csv")


def test_a_proposal_says_what_each_column_is(tmp_path: Path) -> None:
    usecase = make_usecase(tmp_path, "csv", "multiclass_classification")
    random = np.random.default_rng(0)
    for span in (1, 2):
        rows = 150
        csv_span(
            tmp_path,
            span,
            label=random.choice(["Adelie", "Gentoo"], rows).tolist(),
            age=(random.integers(0, 9, rows) if span == 1 else random.random(rows)).tolist(),
            message=column(random, "text", rows),
            key=column(random, "identifier", rows),
            rare=[3.5 if row == 40 else None for row in range(rows)],
        )
    propose_schema(usecase, Store(tmp_path / "home")).write()
    found = features(usecase)
    assert found["label"].domain == "label"
    assert list(found["label"].not_in_environment) == ["SERVING"]
    assert found["age"].type == FLOAT, "whole numbers in one span, fractions in the other: FLOAT"
    assert found["age"].float_domain.disallow_nan
    assert found["message"].HasField("natural_language_domain")
    assert {name for name in found if "/" in name} == {
        f"message/{one}" for one in ("characters", "word_count", "unseen_words")
    }
    assert found["key"].lifecycle_stage == DISABLED, "an identifier is left to no model"
    assert found["rare"].presence.HasField("min_fraction")
    assert found["rare"].presence.min_fraction == 0
    assert "key: nearly every value is different" in (usecase.folder / "schema.pbtxt").read_text()


def test_columns_are_left_out_on_request(tmp_path: Path) -> None:
    usecase = make_usecase(tmp_path, "csv", split={"by": "hash"})
    csv_span(tmp_path, 1, label=[0, 1] * 40, key=list(range(80)), kept=list(range(80)))
    proposal = propose_schema(usecase, Store(tmp_path / "home"), leave_out=("key",))
    proposal.write()
    assert set(features(usecase)) == {"label", "kept"}


def test_a_schema_that_is_there_keeps_what_it_says(tmp_path: Path) -> None:
    usecase = make_usecase(tmp_path, "csv", split={"by": "hash"})
    csv_span(tmp_path, 1, label=[0, 1] * 40, height=[1.5 + row / 79 for row in range(80)], colour=["red", "blue"] * 40)
    (usecase.folder / "schema.pbtxt").write_text(
        'feature { name: "label" type: INT presence { min_fraction: 0.25 } }\n'
        'feature { name: "height" type: FLOAT float_domain { max: 2.0 } '
        "drift_comparator { jensen_shannon_divergence { threshold: 0.03 } } }\n"
    )
    proposal = propose_schema(usecase, Store(tmp_path / "home"))
    before = (usecase.folder / "schema.pbtxt").read_text()
    added = [line for line in proposal.diff.splitlines() if line.startswith("+")]
    assert any('value: "blue"' in line for line in added)
    proposal.write()
    found = features(usecase)
    assert found["label"].presence.min_fraction == 0.25
    assert found["height"].drift_comparator.jensen_shannon_divergence.threshold == pytest.approx(0.03)
    assert found["height"].float_domain.max == 2.5
    assert found["colour"].domain == "colour"
    assert before != (usecase.folder / "schema.pbtxt").read_text()
    assert json.dumps(proposal.text)
