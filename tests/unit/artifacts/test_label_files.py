"""Label files: what counts, whatever the order of the lines, and that what cannot be used is named; row keys."""

import io
import json
from pathlib import Path

import pyarrow_hotfix  # noqa: F401
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow_metadata.proto.v0 import schema_pb2

from artifacts.examples.encoder import encode
from artifacts.labels import writer
from artifacts.labels.errors import (
    LabelAfterCutoff,
    LabelError,
    LabelOutsideDomain,
    MalformedLabel,
    RepeatedAnnotator,
    UnknownRow,
)
from artifacts.labels.reader import Label, accepted, check, read_strictly
from artifacts.labels.row_key import RowKey
from artifacts.outcomes.reader import time_us
from core.errors import DataError

NOON = time_us("2026-11-01T12:00:00Z")
LABEL = Label("a1", "spam", "ann", NOON, "serve", "f:1")
labels = st.lists(
    st.builds(
        Label,
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from(["ham", "spam"]),
        st.sampled_from(["ann", "bob"]),
        st.integers(0, 3),
        st.just("serve"),
    )
)


def schema(*served: str, label: str = "label") -> schema_pb2.Schema:
    made = schema_pb2.Schema()
    for name in served:
        made.feature.add(name=name)
    made.feature.add(name=label, not_in_environment=["SERVING"])
    return made


def test_what_is_appended_is_read(tmp_path: Path) -> None:
    path = tmp_path / "labels" / "x.jsonl"
    both = [LABEL, LABEL._replace(key="ß", label=2, where="f:2")]
    writer.append(path, both[:1])
    writer.append(path, both[1:])
    with path.open("rb") as stream:
        assert list(read_strictly(stream, "f")) == both


def test_a_torn_last_line_is_left_for_later_and_damages_no_line_after_it(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"key": "torn", "lab')
    with path.open("rb") as stream:
        assert list(read_strictly(stream, "f")) == []
    writer.append(path, [LABEL])
    with path.open("rb") as stream, pytest.raises(MalformedLabel, match="f:1: wanted a JSON object"):
        list(read_strictly(stream, "f"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"key": ""}, "key: wanted text, got ''"),
        ({"annotator": None}, "annotator: wanted text, got None"),
        ({"label": True}, "label: wanted text or a finite number, got True"),
        ({"label": float("nan")}, "label: wanted text or a finite number, got nan"),
        ({"time": "2026-11-01T12:00:00"}, "time: wanted a time with its zone"),
        ({"source": 3}, "source: wanted text, got 3"),
    ],
)
def test_a_malformed_line_is_named_with_its_field(change: dict[str, object], message: str) -> None:
    line = json.dumps(LABEL.line() | change).encode() + b"\n"
    with pytest.raises(MalformedLabel, match=rf"f:1: {message}"):
        list(read_strictly(io.BytesIO(line), "f"))


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"keys": {"b2"}}, UnknownRow, "key 'a1'"),
        ({"classes": ("ham", "eggs")}, LabelOutsideDomain, "wanted one of 'ham', 'eggs', got 'spam'"),
        ({"until": NOON - 1}, LabelAfterCutoff, "got 2026-11-01T12:00:00Z"),
    ],
)
def test_a_label_that_cannot_be_used_has_a_named_error(
    options: dict[str, object], kind: type[LabelError], message: str
) -> None:
    with pytest.raises(kind, match=f"f:1: .*{message}"):
        check(LABEL, **options)  # type: ignore[arg-type]
    check(LABEL, {"a1"}, ("ham", "spam"), NOON)


def test_the_latest_label_of_an_annotator_counts_and_two_at_once_are_refused() -> None:
    later = LABEL._replace(label="ham", time_us=NOON + 1)
    assert accepted([later, LABEL, LABEL]) == ([later], 1, 1)
    with pytest.raises(RepeatedAnnotator, match="'ann' labels 'a1'"):
        accepted([LABEL, LABEL._replace(label="ham")])


@settings(deadline=None, max_examples=50)
@given(labels, st.randoms())
def test_the_order_of_the_lines_does_not_matter(lines: list[Label], random: object) -> None:
    shuffled = list(lines)
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    def result(of: list[Label]) -> object:
        try:
            return accepted(of)
        except RepeatedAnnotator:
            return RepeatedAnnotator

    assert result(lines) == result(shuffled)


columns = st.fixed_dictionaries(
    {
        "n": st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)),
        "x": st.one_of(st.none(), st.floats(width=32, allow_nan=False)),
        "t": st.one_of(st.none(), st.binary(max_size=5)),
    }
)
TYPES = {"n": pa.int64(), "x": pa.float32(), "t": pa.binary()}


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(columns, st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=8))
def test_a_key_is_the_same_for_any_label_and_for_columns_lists_and_records(rows: list[tuple[dict, int, int]]) -> None:
    key = RowKey.of(schema(*TYPES))

    def batch(label: int, *, lists: bool) -> pa.RecordBatch:
        arrays = {name: pa.array([row[0][name] for row in rows], kind) for name, kind in TYPES.items()}
        if lists:
            arrays = {
                name: pa.array(
                    [None if one is None else [one] for one in column.to_pylist()], pa.large_list(TYPES[name])
                )
                for name, column in arrays.items()
            }
        arrays["label"] = pa.array([row[label] for row in rows], pa.int64())
        return pa.RecordBatch.from_arrays(list(arrays.values()), list(arrays))

    wanted = key.keys(batch(1, lists=False))
    assert key.keys(batch(2, lists=True)) == wanted
    assert key.keys_of_records(encode(batch(2, lists=False)).to_pylist()) == wanted
    assert len(set(wanted)) == len({repr([row[0][name] for name in TYPES]) for row in rows})


def test_a_key_column_is_its_text_and_several_are_a_list() -> None:
    batch = pa.RecordBatch.from_pydict({"id": [7, 8], "t": [b"a", b"b"], "label": [0, 1]})
    assert RowKey.of(schema("t"), ("id",)).keys(batch) == ["7", "8"]
    both = RowKey.of(schema("t"), ("id", "t"))
    assert both.keys(batch) == ['["7", "a"]', '["8", "b"]'] == both.keys_of_records(encode(batch).to_pylist())


@pytest.mark.parametrize("values", [[1, None], []])
def test_a_row_without_its_key_is_an_error_that_names_the_column(values: list[int | None]) -> None:
    batch = pa.RecordBatch.from_pydict({"id": values} if values else {"other": [1]})
    with pytest.raises(DataError, match="key column 'id'"):
        RowKey.of(schema("t"), ("id",)).keys(batch)
