"""What people deliver: other delimiters, lists, times, unwanted columns; what is refused says what to change."""

from pathlib import Path
from typing import Any

import pyarrow_hotfix  # noqa: F401
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from artifacts.examples.batches import record_batches
from artifacts.examples.tfrecord import FOOTER, HEADER, masked_crc
from components.ingest_examples.config import Config
from components.ingest_examples.logic import PinnedSource, ingest
from core.errors import DataError

SCHEMA = 'feature { name: "x" type: FLOAT } feature { name: "n" type: INT }'


def read(root: Path, format: str, **settings: Any) -> pa.Table:
    """Ingest span 1 with nearly all rows in one split, and return those."""
    (root / "schema.pbtxt").write_text(SCHEMA)
    split = {"by": "hash", "validation": 10, "eval": 10}
    config = Config.model_validate({"format": format, "window": 1, "split": split, **settings})
    source = PinnedSource(f"{root}/{{SPAN}}.{format}", 1, "")
    ingest(config, source, str(root / "schema.pbtxt"), root / "examples")
    return pa.Table.from_batches(list(record_batches(root / "examples", "train", None)))


def csv(root: Path, header: str, row: str) -> None:
    (root / "1.csv").write_text("\n".join([header, *(row.format(number) for number in range(100))]) + "\n")


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_a_delimiter_is_recognised_and_configured(tmp_path: Path, delimiter: str) -> None:
    csv(tmp_path, f"n{delimiter}x", f"{{0}}{delimiter}2.5")
    escaped = delimiter.encode("unicode_escape").decode().replace("\\", r"\\").replace("|", r"\|")
    with pytest.raises(DataError, match=f'if that is the delimiter, write ingest_examples.delimiter: "{escaped}"'):
        read(tmp_path, "csv")
    assert set(read(tmp_path, "csv", delimiter=delimiter).column_names) == {"n", "x"}


@pytest.mark.parametrize("nothing", ["NaN", "NA", "null", "-"])
def test_a_text_for_nothing_is_answered_with_the_key_that_reads_it(tmp_path: Path, nothing: str) -> None:
    csv(tmp_path, "n,x", f"{{0}},{nothing}")
    with pytest.raises(DataError, match=rf'1.csv:2:2: .*ingest_examples.missing: \["", "{nothing}"\]'):
        read(tmp_path, "csv")
    assert read(tmp_path, "csv", missing=["", nothing]).column_names == ["n"]


@pytest.mark.parametrize("format", ["csv", "parquet", "tfrecord"])
def test_a_column_is_left_out_on_request(tmp_path: Path, format: str) -> None:
    from artifacts.examples.encoder import encode

    columns = pa.table({"n": list(range(100)), "key": [f"k{number}".encode() for number in range(100)]})
    if format == "csv":
        csv(tmp_path, "n,key", "{0},k{0}")
    elif format == "parquet":
        pq.write_table(columns, tmp_path / "1.parquet")
    else:
        write_records(tmp_path / "1.tfrecord", encode(columns.to_batches()[0]).to_pylist())
    assert read(tmp_path, format, leave_out=["key"]).column_names == ["n"]


def write_records(path: Path, records: list[bytes]) -> None:
    framed = [HEADER.pack(len(one), masked_crc(len(one).to_bytes(8, "little"))) + one for one in records]
    path.write_bytes(b"".join(head + FOOTER.pack(masked_crc(one)) for head, one in zip(framed, records, strict=True)))


@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_times_become_the_features_that_are_declared(tmp_path: Path, format: str) -> None:
    times = [f"2024-02-{1 + number % 28:02d}T{number % 24:02d}:30:00" for number in range(100)]
    if format == "csv":
        (tmp_path / "1.csv").write_text("n,at\n" + "".join(f"{number},{time}\n" for number, time in enumerate(times)))
    else:
        parsed = pa.array(times).cast(pa.timestamp("us"))
        pq.write_table(pa.table({"n": list(range(100)), "at": parsed}), tmp_path / "1.parquet")
    parts = ["hour", "day_of_week", "epoch_seconds"]
    found = read(tmp_path, format, timestamps={"at": parts}).to_pylist()
    assert {"n", "at_hour", "at_day_of_week", "at_epoch_seconds"} == set(found[0])
    first = next(row for row in found if row["n"][0] > 0 and row["at_epoch_seconds"])
    number = first["n"][0]
    assert first["at_hour"] == [number % 24]
    assert first["at_day_of_week"] == [(3 + number % 28) % 7 + 1], "the first of February 2024 was a Thursday, day 4"
    assert first["at_epoch_seconds"] == [1706745600 + (number % 28) * 86400 + (number % 24) * 3600 + 1800]


def test_a_time_that_is_written_otherwise_names_the_key(tmp_path: Path) -> None:
    csv(tmp_path, "n,at", "{0},31/01/2024 10:00")
    with pytest.raises(DataError, match=r"1.csv:2:2: column 'at': wanted a time written as ISO 8601.*timestamps"):
        read(tmp_path, "csv", timestamps={"at": ["hour"]})
    found = read(tmp_path, "csv", timestamps={"at": {"parts": ["hour"], "format": "%d/%m/%Y %H:%M"}})
    assert found.column("at_hour").to_pylist()[0] == [10]


@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_a_part_of_a_time_and_a_column_of_one_name_are_refused(tmp_path: Path, format: str) -> None:
    pq.write_table(pa.table({"at": ["2024-02-01"] * 100, "at_hour": list(range(100))}), tmp_path / "1.parquet")
    csv(tmp_path, "at,at_hour", "2024-02-01,{0}")
    with pytest.raises(DataError, match=rf"1.{format}.*: at_hour: a column and a part of a time have one name"):
        read(tmp_path, format, timestamps={"at": ["hour"]})


def test_a_null_inside_a_list_names_column_and_row_or_is_left_out(tmp_path: Path) -> None:
    tags = [["a", None, "b"] if number == 41 else ["a"] for number in range(100)]
    pq.write_table(pa.table({"n": list(range(100)), "tags": tags}), tmp_path / "1.parquet", row_group_size=10)
    with pytest.raises(DataError, match=r"1.parquet: column 'tags': row 42: wanted a value, got a null inside a list"):
        read(tmp_path, "parquet", batch_rows=10)
    rows = read(tmp_path, "parquet", nulls_in_lists="leave_out").to_pylist()
    assert all(row["tags"] in ([b"a"], [b"a", b"b"]) for row in rows)


def test_lists_of_a_fixed_size_are_lists(tmp_path: Path) -> None:
    vectors = [[float(number), 0.5] for number in range(100)]
    column = pa.array(vectors, pa.list_(pa.float64(), 2))
    pq.write_table(pa.table({"n": list(range(100)), "v": column}), tmp_path / "1.parquet")
    for row in read(tmp_path, "parquet").to_pylist():
        assert row["v"] == vectors[row["n"][0]]


@pytest.mark.parametrize("nested", [[{"a": 1}], [[[1, 2]]]], ids=["struct", "list of lists"])
def test_nested_columns_are_refused_by_name(tmp_path: Path, nested: list[Any]) -> None:
    pq.write_table(pa.table({"n": list(range(100)), "deep": nested * 100}), tmp_path / "1.parquet")
    with pytest.raises(DataError, match=r"column 'deep': .*flatten the column"):
        read(tmp_path, "parquet")


def test_whole_numbers_are_read_as_float_where_the_schema_says_so(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": list(range(100))}), tmp_path / "1.parquet")
    assert read(tmp_path, "parquet").schema.field("x").type.value_type == pa.float32()


def test_sequence_examples_are_refused_by_name(tmp_path: Path) -> None:
    import tensorflow as tf

    record = tf.train.SequenceExample()
    record.context.feature["n"].int64_list.value.append(1)
    record.feature_lists.feature_list["frames"].feature.add().float_list.value.append(0.5)
    write_records(tmp_path / "1.tfrecord", [record.SerializeToString()] * 100)
    with pytest.raises(DataError, match=r"record 1: wanted a tf.Example, got a tf.SequenceExample .* frames"):
        read(tmp_path, "tfrecord")


def test_further_splits_get_rows_of_their_own(tmp_path: Path) -> None:
    csv(tmp_path, "n,x", "{0},2.5")
    read(tmp_path, "csv", split={"by": "hash", "validation": 10, "eval": 10, "further": {"calibration": 20}})
    assert sum(batch.num_rows for batch in record_batches(tmp_path / "examples", "calibration", None)) > 5


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"format": "cvs"}, "did you mean 'csv'"),
        ({"format": "parquet", "delimiter": ";"}, "delimiter is for csv files"),
        ({"format": "tfrecord", "timestamps": {"at": ["hour"]}}, "timestamps are read from csv and parquet"),
        ({"format": "csv", "split": {"further": {"train": 5}}}, "train is a split of every run"),
        ({"format": "csv", "split": {"validation": 60, "further": {"more": 50}}}, "below 100 percent"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused(settings: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        Config.model_validate(settings)
