"""Reading CSV files in blocks gives what reading them row by row does: the same batches, rejects and errors."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from artifacts.spans import csv_blocks, csv_rows
from artifacts.spans.feature_types import FeatureType
from artifacts.spans.files import SourceFile
from artifacts.spans.read_options import ReadOptions
from artifacts.spans.rejects import Rejects
from artifacts.spans.timestamps import Timestamp
from core.errors import MlopsError

TYPES = {"n": FeatureType("INT"), "x": FeatureType("FLOAT", nan=True), "s": FeatureType("BYTES")}
Read = Callable[[SourceFile, ReadOptions, Rejects], Iterator[Any]]

CELLS = st.one_of(
    st.integers(-(10**20), 10**20).map(str),
    st.floats().map(repr),
    st.sampled_from(["", "-", "+1", "-0", "007", " 1", "1 ", "1.", ".5", "1e5", "1E+400", "1e-400", "3.4028236e38"]),
    st.sampled_from(["nan", "-inf", "NA", "1_0", "0x1", "\u0661", "é", '"', '""', 'a"b', '"a,b"', '"a\nb"', '"a""b"']),
    st.sampled_from(["2013-01-01", "2013-01-01T05:00:00+02:00", "\ufeff", "a\0b", "a\rb", "\u2028", "x" * 40]),
    st.text(max_size=4),
)
"""Numbers, and what is almost a number; quotes in their places, and in others."""
RECORDS = st.lists(CELLS, min_size=1, max_size=4).map(",".join) | st.lists(CELLS, min_size=3, max_size=3).map(",".join)
ENDS = st.sampled_from(["\n", "\r\n", "\n\n", "\r", ""])
TEXTS = st.lists(st.tuples(RECORDS, ENDS).map("".join), max_size=8).map(
    lambda records: "".join(records).encode("utf-8", "surrogatepass")
)
NOISE = st.lists(st.sampled_from([*b'a1,"\n\r .-e\0\xff', *"é".encode()]), max_size=30).map(bytes)
HEADERS = st.sampled_from(
    [b"n,x,s\n", b"n,x,s\r\n", b"\xef\xbb\xbfs,n,x\n", b"s\n", b'"n","x\n",t\n', b"n,t,t_hour\n", b""]
)


def outcome(read: Read, path: Path, options: ReadOptions, maximum: int) -> tuple[list[Any], str, str]:
    """Return batches with their types, the error, and what was rejected."""
    rejects = Rejects(maximum, path.with_name("rejects.jsonl"))
    rejects.path.unlink(missing_ok=True)
    batches: list[Any] = []
    error = ""
    try:
        for batch in read(SourceFile(1, path, path.name), options, rejects):
            batches.append((batch.schema, repr(batch.to_pydict())))
    except MlopsError as raised:
        error = f"{type(raised).__name__}: {raised}"
    return batches, error, rejects.path.read_text() if rejects.path.exists() else ""


class Case(NamedTuple):
    """A file and how it is read."""

    content: bytes
    delimiter: str = ","
    batch_rows: int = 1
    max_record_bytes: int = 1 << 20
    max_rejects: int = 0
    block: int = 1 << 22
    leave_out: tuple[str, ...] = ()


CASES = st.builds(
    Case,
    st.tuples(HEADERS, TEXTS | NOISE).map(b"".join),
    st.sampled_from([",", ",", ",", ";", "\t", "é"]),
    st.integers(1, 3),
    st.sampled_from([30, 1 << 20]),
    st.integers(0, 2),
    st.sampled_from([3, 16, 1 << 22]),
    st.sampled_from([(), (), ("s",), ("n", "x", "s")]),
)


@settings(max_examples=200)
@given(CASES)
@example(Case(b'n,x,s\n1,2,"a""b"\n3,4,"c\nd"\n'))
@example(Case(b'n,x,s\n1,2,"a"b\n'))
@example(Case(b"n,x,s\n1,2,a\n2,3,b\nx,4,c\n5,6,d\n", max_rejects=1, block=3))
def test_both_ways_of_reading_agree(tmp_path_factory: pytest.TempPathFactory, case: Case) -> None:
    path = tmp_path_factory.getbasetemp() / "rows.csv"
    path.write_bytes(case.content)
    options = ReadOptions(
        TYPES,
        missing=frozenset({"", "NA"}),
        delimiter=case.delimiter,
        leave_out=frozenset(case.leave_out),
        timestamps={"t": Timestamp(("hour",))},
        max_record_bytes=case.max_record_bytes,
        batch_rows=case.batch_rows,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_blocks, "_BLOCK", case.block)
        in_blocks = outcome(csv_rows.read, path, options, case.max_rejects)
    assert in_blocks == outcome(csv_rows.by_row, path, options, case.max_rejects)


def test_what_is_regular_is_read_in_blocks_and_quotes_are_regular(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    rows = [("1", "1.5", '"a ""word"", é"'), ("-2", "nan", '"two\r\nlines"'), ("", "", '""'), ("4", "+1e3", "plain")]
    path.write_bytes(b"n,x,s\r\n" + "\r\n".join(",".join(row) for row in rows * 50).encode())
    options = ReadOptions(TYPES, batch_rows=64)
    batches = list(csv_blocks.read(SourceFile(1, path, path.name), options))
    assert [batch.num_rows for batch in batches] == [64, 64, 64, 8]
    assert json.dumps(batches[0].slice(0, 4).to_pydict()["n"]) == "[1, -2, null, 4]"
    assert batches[0].to_pydict()["s"][:4] == ['a "word", é'.encode(), b"two\r\nlines", None, b"plain"]
