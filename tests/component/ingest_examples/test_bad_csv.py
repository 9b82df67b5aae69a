"""A CSV file that cannot be trusted stops the run, and the error names file, line and column."""

import os
import socket
from pathlib import Path

import pytest

from artifacts.examples.batches import record_batches
from artifacts.examples.manifest import ExamplesManifest
from artifacts.examples.names import MANIFEST
from components.ingest_examples.config import Config
from components.ingest_examples.logic import PinnedSource, ingest
from core.errors import DataError, EmptyDataset, MlopsError

SCHEMA = """
feature { name: "n" type: INT presence { min_fraction: 1 } }
feature { name: "x" type: FLOAT presence { min_fraction: 1 } float_domain { disallow_nan: true disallow_inf: true } }
feature { name: "s" type: BYTES presence { min_fraction: 1 } }
"""
GOOD = b"".join(b"%d,%d.5,word%d\n" % (number, number, number) for number in range(60))
BAD_FROM = 62
"""The line after the header and the good rows."""


def write(root: Path, content: bytes, schema: str = SCHEMA) -> tuple[PinnedSource, str]:
    (root / "span-1").mkdir(parents=True, exist_ok=True)
    (root / "span-1" / "rows.csv").write_bytes(content)
    (root / "schema.pbtxt").write_text(schema)
    return PinnedSource(str(root / "span-{SPAN}" / "rows.csv"), 1, ""), str(root / "schema.pbtxt")


def read(root: Path, content: bytes, schema: str = SCHEMA, **settings: object) -> ExamplesManifest:
    config = Config.model_validate({"format": "csv", "window": 1, "split": {"by": "hash"}, **settings})
    source, reference = write(root, content, schema)
    return ingest(config, source, reference, root / "examples")


def rows(root: Path) -> set[tuple[object, ...]]:
    found = [
        row
        for split in ("train", "validation", "eval")
        for batch in record_batches(root / "examples", split, None)
        for row in batch.to_pylist()
    ]
    return {tuple(row[name][0] if row.get(name) else None for name in ("n", "x", "s")) for row in found}


@pytest.mark.parametrize(
    ("line", "where", "what"),
    [
        (b"x,1.5,w\n", f":{BAD_FROM}:1: ", "wanted an INT"),
        (b"9223372036854775808,1.5,w\n", f":{BAD_FROM}:1: ", "INT of 64 bits"),
        (b"1_000,1.5,w\n", f":{BAD_FROM}:1: ", "'1_000'"),
        (b" 1 ,1.5,w\n", f":{BAD_FROM}:1: ", "' 1 '"),
        (b"0x1A,1.5,w\n", f":{BAD_FROM}:1: ", "wanted an INT"),
        ("\u0661,1.5,w\n".encode(), f":{BAD_FROM}:1: ", "wanted an INT"),
        (b"1.0,1.5,w\n", f":{BAD_FROM}:1: ", "wanted an INT"),
        (b"1,nan,w\n", f":{BAD_FROM}:2: ", "finite"),
        (b"1,-Infinity,w\n", f":{BAD_FROM}:2: ", "finite"),
        (b"1,1e999,w\n", f":{BAD_FROM}:2: ", "fits 32 bits"),
        (b"1,1e39,w\n", f":{BAD_FROM}:2: ", "fits 32 bits"),
        (b"1,1_0.5,w\n", f":{BAD_FROM}:2: ", "wanted a FLOAT"),
        (b"1,1.5\n", f":{BAD_FROM}: ", "wanted 3 cells as in the header, got 2"),
        (b"1,1.5,w,more\n", f":{BAD_FROM}: ", "wanted 3 cells as in the header, got 4"),
        (b'1,1.5,"open\n', f":{BAD_FROM}: ", "is a quote left open"),
        (b'1,1.5,"a"b\n', f":{BAD_FROM}: ", "is a quote left open or not doubled"),
        (b"1,1.5,a\0b\n", f":{BAD_FROM}: offset ", "NUL"),
        (b"1,1.5,a\xffb\n", f":{BAD_FROM}: offset ", "byte 0xff"),
        (b"1,1.5,a\rb\n", f":{BAD_FROM}: ", "new-line character"),
    ],
)
def test_a_bad_row_is_named_by_file_line_and_column(tmp_path: Path, line: bytes, where: str, what: str) -> None:
    with pytest.raises(DataError) as error:
        read(tmp_path, b"n,x,s\n" + GOOD + line)
    assert f"{tmp_path}/span-1/rows.csv{where}" in str(error.value)
    assert what in str(error.value)
    assert not (tmp_path / "examples" / MANIFEST).exists(), "an unfinished folder has no manifest"


def test_an_offset_counts_bytes_from_the_start_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"rows.csv:2: offset 12: "):
        read(tmp_path, b"\xef\xbb\xbfn,x,s\n1,5\xff,w\n")


@pytest.mark.parametrize("header", [b"n,x,n\n", b"n,,s\n", b'n,"x","x"\n'])
def test_a_header_that_names_a_column_twice_or_not_at_all_is_an_error(tmp_path: Path, header: bytes) -> None:
    with pytest.raises(DataError, match=r"rows.csv:1:[23]: wanted a"):
        read(tmp_path, header + GOOD)


@pytest.mark.parametrize("content", [b"", b"n,x,s\n", b"\xef\xbb\xbf", b"\n\n"])
def test_a_file_without_a_row_is_an_empty_dataset(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(EmptyDataset, match=r"rows\.csv"):
        read(tmp_path, content)


def test_an_open_quote_is_found_long_before_the_end_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=rf"rows.csv:{BAD_FROM}: wanted a record of at most 256 bytes, got a longer one up to line 9\d"
    ):
        read(tmp_path, b"n,x,s\n" + GOOD + b'1,1.5,"open\n' + b"2,2.5,w\n" * 10_000, max_record_bytes=256)


@pytest.mark.known_failure(17)
def test_a_byte_order_mark_quoted_names_and_line_breaks_in_cells_are_read(tmp_path: Path) -> None:
    read(tmp_path, b'\xef\xbb\xbf"n","x","s"\r\n' + GOOD + b'7,0.5,"two\nlines, ""quoted"""\r\n')
    assert (7, 0.5, b'two\nlines, "quoted"') in rows(tmp_path)


def test_the_schema_decides_whether_digits_are_text(tmp_path: Path) -> None:
    read(tmp_path, b"n,x,s\n" + GOOD + b"00501,.5,00501\n,,\n")
    assert {(501, 0.5, b"00501"), (None, None, None)} <= rows(tmp_path)


def test_not_a_number_is_read_where_the_schema_says_so_outright(tmp_path: Path) -> None:
    read(tmp_path, b"n,x,s\n" + GOOD + b"1,nan,w\n", SCHEMA.replace("disallow_nan: true", "disallow_nan: false"))
    assert any(row[1] != row[1] for row in rows(tmp_path))


@pytest.mark.known_failure(17)
def test_the_line_of_a_row_counts_line_breaks_inside_cells(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"rows.csv:5:1: "):
        read(tmp_path, b'n,x,s\n1,1.5,"a\nb"\n2,2.5,w\nx,3.5,w\n')


def test_rows_are_left_out_with_their_reason_up_to_the_cap(tmp_path: Path) -> None:
    bad = b"x,1.5,w\n1,1.5\n"
    manifest = read(tmp_path, b"n,x,s\n" + GOOD + bad, max_rejects=2)
    assert manifest.rejected == 2
    assert sum(shard.records for shard in manifest.shards) == 60
    lines = (tmp_path / "examples" / "rejects.jsonl").read_text().splitlines()
    assert len(lines) == 2
    with pytest.raises(DataError, match="2 rows were left out before it"):
        read(tmp_path, b"n,x,s\n" + GOOD + bad + b"y,1.5,w\n", max_rejects=2)


def test_unknown_columns_travel_on_and_missing_ones_are_left_to_the_data_gate(tmp_path: Path) -> None:
    read(tmp_path, b"n,new\n" + b"".join(b"%d,v\n" % number for number in range(90)))
    batch = next(record_batches(tmp_path / "examples", "train", None))
    assert batch.schema.names == ["n", "new"]


def _link(path: Path) -> None:
    target = path.with_name("target.csv")
    path.rename(target)
    path.symlink_to(target)


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _socket(path: Path) -> None:
    path.unlink()
    here = Path.cwd()
    os.chdir(path.parent)  # a socket's path may have about a hundred characters
    with socket.socket(socket.AF_UNIX) as end:
        end.bind(path.name)
    os.chdir(here)


@pytest.mark.parametrize("replace", [_link, _pipe, _folder, _socket])
def test_only_regular_files_are_read(tmp_path: Path, replace: object) -> None:
    source, schema = write(tmp_path, b"n,x,s\n" + GOOD)
    assert callable(replace)
    replace(tmp_path / "span-1" / "rows.csv")
    with pytest.raises(MlopsError, match=r"rows.csv: wanted a regular file of the source, got a"):
        ingest(
            Config.model_validate({"format": "csv", "window": 1, "split": {"by": "hash"}}),
            source,
            schema,
            tmp_path / "examples",
        )
