"""Which spans a run reads, which rows go to which split, and that what was pinned is what was read."""

import os
import subprocess
import sys
from pathlib import Path

import pyarrow_hotfix  # noqa: F401
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from artifacts.examples.batches import record_batches
from artifacts.examples.encoder import encode, varint
from artifacts.examples.manifest import ExamplesManifest
from artifacts.spans.files import latest_span, resolve, window_digest
from components.ingest_examples.config import Config
from components.ingest_examples.ingestion import Ingestion
from components.ingest_examples.logic import PinnedSource, ingest
from core import objects
from core.errors import CorruptArtifact, DataError, EmptyDataset, StoreError, UsageError

ROWS = 200


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)


def spans(root: Path, *numbers: int) -> str:
    for number in numbers:
        (root / f"span-{number}").mkdir()
        pq.write_table(pa.table({"n": range(ROWS), "span": [number] * ROWS}), root / f"span-{number}" / "rows.parquet")
    (root / "schema.pbtxt").write_text('feature { name: "n" type: INT }')
    return str(root / "span-{SPAN}" / "rows.parquet")


def run(root: Path, pattern: str, span: int, data: str = "", **settings: object) -> ExamplesManifest:
    return ingest(
        Config.model_validate({"format": "parquet", **settings}),
        PinnedSource(pattern, span, data),
        str(root / "schema.pbtxt"),
        root / "examples",
    )


def test_a_window_is_the_last_spans_and_shorter_only_at_the_beginning(tmp_path: Path) -> None:
    touch(tmp_path, *(f"span-{number}/a.csv" for number in range(1, 13)), "span-2/.hidden.csv", "other/a.csv")
    pattern = str(tmp_path / "span-{SPAN}" / "*.csv")
    assert resolve(pattern, 12, 4).spans == (9, 10, 11, 12)
    assert resolve(pattern, 2, 4).spans == (1, 2)
    assert resolve(pattern, None, 1).spans == (12,)
    assert latest_span(pattern) == 12
    assert [file.name for file in resolve(pattern, 2, 1).files] == ["span-2/a.csv"]


def test_a_padded_number_is_exactly_as_wide(tmp_path: Path) -> None:
    touch(tmp_path, "day-007.csv", "day-08.csv", "day-0009.csv", "day-010.csv")
    pattern = str(tmp_path / "day-{SPAN:3}.csv")
    assert resolve(pattern, 7, 1).spans == (7,)
    assert latest_span(pattern) == 10
    with pytest.raises(DataError, match=r"wanted span 8, 9, but these spans exist: 7, 10"):
        resolve(pattern, 10, 4)


def test_a_span_that_is_missing_names_the_pattern_and_those_that_exist(tmp_path: Path) -> None:
    touch(tmp_path, "span-1/a.csv", "span-2/a.csv", "span-4/a.csv")
    pattern = str(tmp_path / "span-{SPAN}" / "a.csv")
    for span, window in ((5, 1), (3, 1), (4, 2)):
        with pytest.raises(DataError) as error:
            resolve(pattern, span, window)
        assert pattern in str(error.value)
        assert "these spans exist: 1, 2, 4" in str(error.value)
    with pytest.raises(DataError, match="these spans exist: none"):
        latest_span(str(tmp_path / "nowhere-{SPAN}.csv"))


@pytest.mark.parametrize(
    "pattern",
    [
        "/data/rows.csv",
        "/data/{SPAN}/{SPAN}.csv",
        "data/{SPAN}.csv",
        "/data/../{SPAN}.csv",
        "/data/{SPAN}/../../x",
        "/d/{SPAN:0}.csv",
    ],
)
def test_a_pattern_that_cannot_be_one_is_the_users_error(pattern: str) -> None:
    with pytest.raises(UsageError, match="wanted"):
        resolve(pattern, 1, 1)


def test_a_link_below_the_source_is_an_error_and_one_above_it_is_not(tmp_path: Path) -> None:
    touch(tmp_path, "real/span-1/a.csv", "elsewhere/a.csv")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert resolve(str(tmp_path / "link" / "span-{SPAN}" / "a.csv"), 1, 1).spans == (1,)
    (tmp_path / "real" / "span-2").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataError, match=r"span-2: wanted a folder of the source, got a symbolic link"):
        latest_span(str(tmp_path / "real" / "span-{SPAN}" / "a.csv"))


def test_the_digest_knows_content_and_names_and_not_place_or_time(tmp_path: Path) -> None:
    touch(tmp_path, "one/span-1/a.csv", "two/span-1/a.csv")
    (tmp_path / "two/span-1/a.csv").write_text("one/span-1/a.csv")
    digests = [window_digest(resolve(str(tmp_path / name / "span-{SPAN}" / "*.csv"), 1, 1)) for name in ("one", "two")]
    assert digests[0] == digests[1]
    (tmp_path / "two/span-1/a.csv").rename(tmp_path / "two/span-1/b.csv")
    assert window_digest(resolve(str(tmp_path / "two" / "span-{SPAN}" / "*.csv"), 1, 1)) != digests[0]


def test_by_time_the_newest_span_judges_and_no_other_row_does(tmp_path: Path) -> None:
    pattern = spans(tmp_path, 1, 2, 3)
    manifest = run(tmp_path, pattern, 3, window=3)
    assert manifest.spans == (1, 2, 3)
    assert manifest.wanted_spans == 4
    assert {(shard.split, shard.span) for shard in manifest.shards} == {
        ("train", 1),
        ("train", 2),
        ("validation", 1),
        ("validation", 2),
        ("eval", 3),
    }
    assert manifest.records("eval") == ROWS
    assert manifest.records("train") + manifest.records("validation") == 2 * ROWS
    assert 0.02 < manifest.records("validation") / (2 * ROWS) < 0.25
    evaluated = {
        row["span"][0] for batch in record_batches(tmp_path / "examples", "eval", None) for row in batch.to_pylist()
    }
    assert evaluated == {3}


def test_by_hash_equal_rows_stay_together_in_every_window(tmp_path: Path) -> None:
    pattern = spans(tmp_path, 1, 2)
    chosen = []
    for window in (1, 2):
        run(tmp_path, pattern, 2, window=window, split={"by": "hash"})
        chosen.append(
            {
                (row["n"][0], row["span"][0])
                for batch in record_batches(tmp_path / "examples", "eval", None)
                for row in batch.to_pylist()
            }
        )
    assert chosen[0] == {row for row in chosen[1] if row[1] == 2}
    assert 0.1 < len(chosen[1]) / (2 * ROWS) < 0.3


def test_by_time_a_first_span_has_nothing_to_train_on(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="at least one span before span 1"):
        run(tmp_path, spans(tmp_path, 1), 1)


def test_a_split_without_a_row_is_named(tmp_path: Path) -> None:
    pattern = spans(tmp_path, 1)
    pq.write_table(pa.table({"n": [1]}), tmp_path / "span-1" / "rows.parquet")
    with pytest.raises(EmptyDataset, match=r"none in .*validation"):
        run(tmp_path, pattern, 1, split={"by": "hash"})


def test_data_that_is_not_what_the_run_was_pinned_to_is_refused(tmp_path: Path) -> None:
    pattern = spans(tmp_path, 1, 2)
    pinned = window_digest(resolve(pattern, 2, 4))
    assert run(tmp_path, pattern, 2, pinned).data == pinned
    pq.write_table(pa.table({"n": [1, 2]}), tmp_path / "span-1" / "rows.parquet")
    with pytest.raises(DataError, match="pinned to data"):
        run(tmp_path, pattern, 2, pinned)


def test_a_parquet_file_that_is_cut_empty_or_of_a_type_without_a_feature_is_named(tmp_path: Path) -> None:
    pattern = spans(tmp_path, 1, 2)
    path = tmp_path / "span-2" / "rows.parquet"
    whole = path.read_bytes()
    for content, error in ((whole[:-9], CorruptArtifact), (b"n,x\n1,2\n", CorruptArtifact), (b"", EmptyDataset)):
        path.write_bytes(content)
        with pytest.raises(error, match=r"span-2/rows\.parquet"):
            run(tmp_path, pattern, 2)
    pq.write_table(pa.table({"n": pa.array([], pa.int64())}), path)
    with pytest.raises(EmptyDataset, match="at least one row"):
        run(tmp_path, pattern, 2)
    pq.write_table(pa.table({"n": pa.array([1, 2], pa.timestamp("s"))}), path)
    with pytest.raises(DataError, match=r"column 'n': wanted INT, got timestamp"):
        run(tmp_path, pattern, 2)


def test_lists_and_columns_of_other_types_become_features(tmp_path: Path) -> None:
    spans(tmp_path, 1)
    table = pa.table(
        {
            "n": range(ROWS),
            "tags": [["a", "b"], []] * (ROWS // 2),
            "flag": [True, None] * (ROWS // 2),
            "day": pa.array([1] * ROWS, pa.date32()),
        }
    )
    pq.write_table(table, tmp_path / "span-1" / "rows.parquet")
    run(tmp_path, str(tmp_path / "span-{SPAN}" / "rows.parquet"), 1, split={"by": "hash"})
    row = next(
        row
        for batch in record_batches(tmp_path / "examples", "train", None)
        for row in batch.to_pylist()
        if row["n"][0] % 2 == 0
    )
    assert (row["tags"], row["flag"], row["day"]) == ([b"a", b"b"], [1], [b"1970-01-02"])


def test_examples_are_the_same_bytes_in_every_process(tmp_path: Path) -> None:
    code = (
        "import pyarrow_hotfix, pyarrow as pa, hashlib\n"
        "from artifacts.examples.encoder import encode\n"
        "batch = pa.RecordBatch.from_arrays([pa.array([1, None]), pa.array([0.5, 2], pa.float32()), "
        "pa.array([b'x', None])], ['b', 'a', 'c'])\n"
        "print(hashlib.sha256(b''.join(encode(batch).to_pylist())).hexdigest())\n"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(seen) == 1


def test_values_of_any_size_are_encoded_as_protobuf_does(tmp_path: Path) -> None:
    from tfx_bsl.coders.example_coder import ExamplesToRecordBatchDecoder

    numbers = [0, 1, -1, 127, 128, 2**63 - 1, -(2**63), None]
    texts = [b"", b"x" * 127, b"x" * 128, b"x" * 70_000, b"\x00\xff", None, b"a", b"b"]
    batch = pa.RecordBatch.from_arrays(
        [
            pa.array(numbers, pa.int64()),
            pa.array(texts, pa.binary()),
            pa.array([[1.5, 2], None] * 4, pa.list_(pa.float32())),
        ],
        ["n", "t", "l"],
    )
    decoded = ExamplesToRecordBatchDecoder(None).DecodeBatch(encode(batch).to_pylist()).to_pydict()
    assert decoded["n"] == [None if value is None else [value] for value in numbers]
    assert decoded["t"] == [None if value is None else [value] for value in texts]
    assert decoded["l"] == [[1.5, 2.0], None] * 4
    assert varint(300) == b"\xac\x02"


def uploaded(root: Path, bucket: str) -> str:
    """Put every span below a folder into a bucket; returns the pattern that finds them there."""
    for path in root.glob("span-*/*"):
        objects.write(f"{bucket}/data/{path.relative_to(root).as_posix()}", path.read_bytes())
    return f"{bucket}/data/span-{{SPAN}}/rows.parquet"


def test_an_object_store_gives_the_same_examples_as_a_disk(tmp_path: Path, bucket: str) -> None:
    pattern = spans(tmp_path, 1, 2, 10)
    there = uploaded(tmp_path, bucket)
    window = resolve(pattern, 10, 1)
    assert latest_span(there) == 10
    assert window_digest(resolve(there, 10, 1)) == window_digest(window)
    here = run(tmp_path, pattern, 2, window=2)
    (tmp_path / "examples").rename(tmp_path / "examples-here")
    elsewhere = run(tmp_path, there, 2, here.data, window=2)
    assert elsewhere.shards == here.shards
    assert elsewhere.source == there


def test_an_object_that_is_written_while_it_is_read_stops_the_run(
    tmp_path: Path, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spans(tmp_path, 1, 2)
    there = uploaded(tmp_path, bucket)

    def changing(*args: object) -> object:
        objects.write(f"{bucket}/data/span-1/rows.parquet", b"something else")
        return write(*args)

    write = Ingestion.write
    monkeypatch.setattr(Ingestion, "write", changing)
    with pytest.raises((DataError, StoreError)):
        run(tmp_path, there, 2, window=2)
    assert not (tmp_path / "examples" / "manifest.json").exists()


@pytest.mark.parametrize(
    "pattern", ["s3://b/../span-{SPAN}/a", "s3://span-{SPAN}", "az://bucket/span-{SPAN}/a", "s3://Bucket/span-{SPAN}/a"]
)
def test_an_address_that_cannot_be_one_is_the_users_error(pattern: str) -> None:
    with pytest.raises(UsageError, match="wanted"):
        resolve(pattern, 1, 1)


def test_rows_to_predict_are_in_one_split(tmp_path: Path) -> None:
    manifest = run(tmp_path, spans(tmp_path, 1, 2), 2, window=2, split={"by": "none"}, leave_out=["span"])
    assert manifest.splits() == ("unlabeled",)
    assert manifest.records("unlabeled") == 2 * ROWS
    assert next(record_batches(tmp_path / "examples", "unlabeled", None)).schema.names == ["n"]
