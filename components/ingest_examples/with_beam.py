"""Ingests on Beam: workers read parts of the window and write the shards that one process would write."""

import json
import pickle
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.utils.shared import Shared

from adapters.beam_run import run
from adapters.beam_work import Keep, distributed, seen_by_workers, work_folder
from artifacts.examples.manifest import Shard
from artifacts.examples.names import REJECTS
from artifacts.spans.files import SourceFile, SpanWindow, file_digest
from artifacts.spans.pattern import Location
from artifacts.spans.rejects import Fault, Rejects
from components.ingest_examples.assignment import Assignment, Stratified, by_hash
from components.ingest_examples.ingestion import Ingestion
from components.ingest_examples.parts import Part
from core import digest
from core.beam.settings import Runner
from core.object_stores import locations

_STRATA = "strata"


def ingest_with_beam(
    runner: Runner, ingestion: Ingestion, window: SpanWindow, parts: Sequence[Part], folder: Location
) -> tuple[list[Shard], int, str]:
    """Write the shards of all parts; return them in order, the number of rejected rows, and the digest of all files.

    Raises what reading in one process raises, and ConfigError when workers see no files of this machine but must.
    """
    for file in window.files:
        seen_by_workers(runner, file.path, "the source")
    target = seen_by_workers(runner, folder, "the examples")
    with work_folder(runner, folder) as work:
        if ingestion.stratify_by:
            _assign(runner, ingestion, parts, work)

        def build(pipeline: beam.Pipeline) -> None:
            written = distributed(pipeline, "Parts", parts) | "Write" >> beam.ParDo(_Write(ingestion, target, work))
            digests = distributed(pipeline, "Files", enumerate(window.files)) | "Digest" >> beam.Map(_digested)
            _ = (written, digests) | beam.Flatten() | "Keep" >> beam.ParDo(Keep(work))

        run(runner, build)
        shards, lines = [], []
        for part in parts:
            content = json.loads(locations.read(locations.join(work, part.name)))
            shards += [Shard.model_validate(one) for one in content["shards"]]
            lines += content["rejects"]
        digests_of = [locations.read(locations.join(work, f"file-{number}")) for number in range(len(window.files))]
    with locations.scratch(folder) as local:
        rejected = _checked_rejects(ingestion, lines, local / REJECTS)
        locations.remove_file(locations.join(folder, REJECTS))
        if rejected:
            locations.publish(local / REJECTS, locations.join(folder, REJECTS))
    named = {file.name: found.decode() for file, found in zip(window.files, digests_of, strict=True)}
    return shards, rejected, digest.of_named(named)


def _assign(runner: Runner, ingestion: Ingestion, parts: Sequence[Part], work: locations.Location) -> None:
    """Assign all groups to splits on a worker, which needs some tens of bytes per group; others read its table."""
    divided = [part for part in parts if ingestion.is_divided(part)]

    def build_groups(pipeline: beam.Pipeline) -> None:
        found = distributed(pipeline, "Parts", divided) | "Group" >> beam.ParDo(_Group(ingestion, work))
        _ = found | "Keep" >> beam.ParDo(Keep(work))

    def build_table(pipeline: beam.Pipeline) -> None:
        once = pipeline | "Once" >> beam.Create([[_groups_name(part) for part in divided]])
        shares = ingestion.shares[divided[0].span]
        _ = once | "Assign" >> beam.Map(_assigned, work, shares) | "Keep" >> beam.ParDo(Keep(work))

    run(runner, build_groups)
    run(runner, build_table)


def _groups_name(part: Part) -> str:
    return f"groups-{part.name}"


def _assigned(names: list[str], work: Location, shares: Any) -> tuple[str, bytes]:
    groups = (pickle.loads(locations.read(locations.join(work, name))) for name in names)  # noqa: S301 - ours
    return _STRATA, pickle.dumps(Stratified(groups, shares))


def _digested(element: tuple[int, SourceFile]) -> tuple[str, bytes]:
    number, file = element
    return f"file-{number}", file_digest(file.path).encode()


def _checked_rejects(ingestion: Ingestion, lines: list[str], path: Path) -> int:
    """Write the rejected rows of all parts; DataError when there are more than the maximum in all of them together."""
    rejects = Rejects(ingestion.max_rejects, path)
    for line in lines:
        row = json.loads(line)
        rejects.add(Fault(row["line"], row["column"], row["reason"]), row["file"])
    return rejects.count


class _Group(beam.DoFn):  # type: ignore[misc]  # Beam has no types
    """Yields the groups of a part."""

    def __init__(self, ingestion: Ingestion, work: Location) -> None:
        self._ingestion, self._work = ingestion, work

    def process(self, part: Part) -> Iterator[tuple[str, bytes]]:
        """Read one part."""
        with locations.scratch(self._work) as folder:
            found = self._ingestion.groups(part, Rejects(self._ingestion.max_rejects, folder / REJECTS))
        yield _groups_name(part), pickle.dumps(found)


class _Write(beam.DoFn):  # type: ignore[misc]  # Beam has no types
    """Writes the shards of a part, and yields what the manifest says of them."""

    def __init__(self, ingestion: Ingestion, target: Location, work: Location) -> None:
        self._ingestion, self._target, self._work = ingestion, target, work
        self._table = Shared()

    def process(self, part: Part) -> Iterator[tuple[str, bytes]]:
        """Write one part; a part that is written again replaces its files by the same ones."""
        assignment = self._table.acquire(self._assignment) if self._ingestion.stratify_by else by_hash
        with locations.scratch(self._target) as folder:
            rejects = Rejects(self._ingestion.max_rejects, folder / REJECTS)
            shards = self._ingestion.write(part, folder, assignment, rejects)
            lines = rejects.path.read_text(encoding="utf-8").splitlines() if rejects.path.is_file() else []
            for shard in shards:
                for name in (shard.name, *([shard.columns.name] if shard.columns else [])):
                    locations.publish(folder / name, locations.join(self._target, name))
        found = {"shards": [shard.model_dump(mode="json") for shard in shards], "rejects": lines}
        yield part.name, json.dumps(found).encode()

    def _assignment(self) -> Assignment:
        found: Stratified = pickle.loads(locations.read(locations.join(self._work, _STRATA)))  # noqa: S301 - ours
        return found
