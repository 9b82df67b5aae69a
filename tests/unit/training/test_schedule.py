"""Every row of every part is in one step of an epoch, and weighs as in one mean over the step's rows."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifacts.examples.division import Part
from artifacts.examples.manifest import Shard
from core.errors import TrainingError
from training.distributed.schedule import Chunk, Schedule, chunks
from training.rows import Block


@given(st.lists(st.integers(0, 1000), max_size=30), st.integers(1, 6))
def test_parts_have_each_shard_once_and_differ_by_less_than_the_largest(records: list[int], parts: int) -> None:
    shards = [
        Shard(name=f"Split-train/{number}", split="train", span=1, records=rows, sha256="")
        for number, rows in enumerate(records)
    ]
    found = [Part(index, parts).select(shards) for index in range(parts)]
    assert sorted(shard.name for part in found for shard in part) == sorted(shard.name for shard in shards)
    assert all(list(part) == [shard for shard in shards if shard in part] for part in found), "in their order"
    sizes = [sum(shard.records for shard in part) for part in found]
    assert max(sizes) - min(sizes) <= max(records, default=0)


def _blocks(part: int, rows: int, size: int) -> Iterator[Block]:
    numbers = np.arange(rows, dtype=np.float32) + 1000 * part
    for start in range(0, rows, size):
        own = numbers[start : start + size]
        yield {"x": own[:, None]}, own[:, None], np.full(len(own), 1 + part, np.float32)


def _run(schedule: Schedule, own: Sequence[int], processes: int, size: int, chunk_rows: int) -> list[Chunk]:
    streams = {part: _blocks(part, schedule.counts[part], size) for part in own}
    return list(chunks(schedule, streams, processes, chunk_rows))


def _steps(found: list[Chunk]) -> list[tuple[Any, Any, float]]:
    steps = []
    for (features, labels, weights), ends, shares in found:  # type: ignore[misc]
        for start, end, share in zip([0, *ends[:-1]], ends, shares, strict=True):
            assert (features["x"][start:end] == labels[start:end]).all()
            assert (weights[start:end] == 1 + labels[start:end, 0] // 1000).all(), "rows keep their weights"
            steps.append((labels[start:end, 0], weights[start:end], share))
    return steps


@given(
    counts=st.lists(st.integers(20, 200), min_size=1, max_size=4),
    batch_size=st.integers(8, 64),
    size=st.integers(1, 300),
    chunk_rows=st.integers(1, 200),
)
def test_two_processes_have_the_steps_of_one(counts: list[int], batch_size: int, size: int, chunk_rows: int) -> None:
    schedule = Schedule(tuple(counts), batch_size)
    if min(counts) < schedule.steps:
        with pytest.raises(TrainingError, match="deliver shards of about equal size"):
            schedule.check()
        return
    alone = _steps(_run(schedule, range(len(counts)), 1, size, chunk_rows))
    assert len(alone) == schedule.steps
    assert sum(len(rows) for rows, _, _ in alone) == sum(counts)
    assert max(len(rows) for rows, _, _ in alone) <= batch_size + len(counts)
    assert all(share == 1 for _, _, share in alone)
    if len(counts) < 2:
        return
    halves = [_steps(_run(schedule, range(index, len(counts), 2), 2, size, chunk_rows)) for index in range(2)]
    for step, (rows, weights, _) in enumerate(alone):
        together = [half[step] for half in halves]
        assert sorted(rows) == sorted(np.concatenate([mine for mine, _, _ in together]))
        # Each process takes the mean over its rows; the gradients of both are added, each divided by two.
        mean = sum(share * (mine * own).mean() / 2 for mine, own, share in together)
        assert mean == pytest.approx((rows * weights).mean(), rel=1e-4)
        assert sum(share for _, _, share in together) == pytest.approx(2, rel=1e-5)
