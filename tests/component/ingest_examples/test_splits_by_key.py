"""Splits that survive labels: a changed label moves no row, a group stays together, strata get their shares."""

import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from artifacts.examples import message, tfrecord
from artifacts.examples.encoder import encode
from artifacts.examples.manifest import ExamplesManifest
from artifacts.labels.row_key import RowKey
from components.ingest_examples.assignment import Groups, SplitKey, Stratified, by_hash
from components.ingest_examples.config import Config
from components.ingest_examples.logic import PinnedSource, ingest
from core.errors import DataError

SCHEMA = """
feature { name: "text" type: BYTES } feature { name: "user" type: INT } feature { name: "site" type: BYTES }
feature { name: "label" type: INT not_in_environment: "SERVING" }
feature { name: "weight" type: FLOAT not_in_environment: "SERVING" }
"""
HASH = {"by": "hash", "validation": 20, "eval": 30}
SHARES = (("train", 50.0), ("validation", 20.0), ("eval", 30.0))


def table(rows: int, label: int = 0, weight: float = 1.0) -> pa.Table:
    return pa.table(
        {
            "text": [f"text {number}" for number in range(rows)],
            "user": [number // 4 for number in range(rows)],
            "site": ["ab"[number % 7 == 0] for number in range(rows)],
            "label": [label] * rows,
            "weight": pa.array([weight] * rows, pa.float32()),
        }
    )


def split_of(content: pa.Table, split: dict[str, Any], kind: str = "parquet", **config: Any) -> dict[bytes, set[str]]:
    """Return text -> splits."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "schema.pbtxt").write_text(SCHEMA)
        source = folder / f"rows-1.{kind}"
        if kind == "parquet":
            pq.write_table(content, source)
        else:
            columns = content.combine_chunks().to_batches()[0]
            arrays = [one.cast(pa.binary()) if pa.types.is_string(one.type) else one for one in columns.columns]
            records = encode(pa.RecordBatch.from_arrays(arrays, columns.schema.names)).to_pylist()
            source.write_bytes(b"".join(map(tfrecord.frame, records)))
        settings_ = Config.model_validate({"format": kind, "window": 1, "split": split, **config})
        examples = folder / "examples"
        pinned = PinnedSource(str(folder / f"rows-{{SPAN}}.{kind}"), 1, "")
        manifest = ingest(settings_, pinned, str(folder / "schema.pbtxt"), examples)
        return _texts(examples, manifest)


def _texts(examples: Path, manifest: ExamplesManifest) -> dict[bytes, set[str]]:
    found: dict[bytes, set[str]] = {}
    for shard in manifest.shards:
        for record in tfrecord.read_trusted(tfrecord.inflate(examples / shard.name)):
            features = message.example_class().FromString(record).context.feature
            found.setdefault(features["text"].bytes_list.value[0], set()).add(shard.split)
    return found


@pytest.mark.parametrize("kind", ["parquet", "tfrecord"])
@pytest.mark.parametrize("rule", [{}, {"group_by": ["user"]}, {"stratify_by": ["site"]}])
def test_labels_and_weights_move_no_row(kind: str, rule: dict[str, Any]) -> None:
    before = split_of(table(120), HASH | rule, kind)
    after = split_of(table(120, label=1, weight=0.5), HASH | rule, kind)
    unlabeled = split_of(table(120).drop(["label", "weight"]), HASH | rule, kind)
    assert before == after == unlabeled
    assert before == split_of(table(120), HASH | rule, "parquet"), "the format moves no row either"


def test_a_key_column_decides_whatever_the_features_are() -> None:
    changed = table(200).set_column(0, "text", pa.array([f"text {number}" for number in range(200)]))
    changed = changed.set_column(2, "site", pa.array(["other"] * 200))
    assert split_of(table(200), HASH, key=["text"]) == split_of(changed, HASH, key=["text"])


def test_a_group_is_never_torn() -> None:
    rows = table(400)
    splits = split_of(rows, HASH | {"group_by": ["user"]})
    by_user: dict[int, set[str]] = {}
    for text, user in zip(rows["text"].to_pylist(), rows["user"].to_pylist(), strict=True):
        by_user.setdefault(user, set()).update(splits[text.encode()])
    assert {len(found) for found in by_user.values()} == {1}
    assert set().union(*by_user.values()) == {"train", "validation", "eval"}


def test_each_stratum_gets_its_share() -> None:
    rows = table(700)
    splits = split_of(rows, HASH | {"stratify_by": ["site"]})
    counts: Counter[tuple[str, str]] = Counter()
    for text, site in zip(rows["text"].to_pylist(), rows["site"].to_pylist(), strict=True):
        (split,) = splits[text.encode()]
        counts[site, split] += 1
    for site, total in (("a", 600), ("b", 100)):
        for split, percent in SHARES:
            assert abs(counts[site, split] - total * percent / 100) <= 1


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32), st.integers(1000, 3000))
def test_hashes_of_sequential_keys_fill_the_splits_in_proportion(start: int, rows: int) -> None:
    batch = pa.RecordBatch.from_pydict({"id": list(range(start, start + rows))})
    chosen = by_hash(SplitKey(RowKey(("id",), ())).hashes(batch), SHARES)
    for place, (_, percent) in enumerate(SHARES):
        share = percent / 100
        assert abs((chosen == place).mean() - share) < 7 * (share * (1 - share) / rows) ** 0.5


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.tuples(st.integers(0, 30), st.sampled_from([b"x", b"y"])), min_size=1, max_size=200),
    st.integers(1, 7),
)
def test_strata_hold_for_any_groups_and_batches(rows: list[tuple[int, bytes]], batch: int) -> None:
    hashes = np.array([(row[0] * 2654435761) % 2**32 for row in rows], np.uint32)
    strata = pa.array([row[1] for row in rows], pa.binary())
    blocks = [Groups.of(hashes[at : at + batch], strata[at : at + batch]) for at in range(0, len(rows), batch)]
    assigned = Stratified(blocks, SHARES)(hashes, SHARES)
    assert (assigned == Stratified([Groups.of(hashes, strata)], SHARES)(hashes, SHARES)).all()
    for group in np.unique(hashes):
        assert len(np.unique(assigned[hashes == group])) == 1
    first = {int(one): row[1] for one, row in zip(hashes[::-1], rows[::-1], strict=True)}
    home = np.array([first[int(one)] for one in hashes])
    for stratum in np.unique(home):
        inside = home == stratum
        largest = max(np.unique(hashes[inside], return_counts=True)[1])
        for place, (_, percent) in enumerate(SHARES):
            assert abs((assigned[inside] == place).sum() - inside.sum() * percent / 100) <= largest + 1


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ({"by": "time", "group_by": ["user"]}, "group_by: wanted by: hash"),
        ({"by": "none", "stratify_by": ["site"]}, "stratify_by: wanted by: hash or time"),
    ],
)
def test_a_split_that_would_tear_groups_is_refused(split: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Config.model_validate({"format": "csv", "split": split})


def test_a_group_column_that_no_row_has_is_named() -> None:
    with pytest.raises(DataError, match="key column 'plane'"):
        split_of(table(8), HASH | {"group_by": ["plane"]})
