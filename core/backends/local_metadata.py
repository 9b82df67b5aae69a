"""Lineage in ML Metadata's SQLite file: the same tables that TFX and KFP write, so their tools read it."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from core import durable
from core.backends.metadata import MODEL_VERSION, Lineage, LineageError, RunFacts
from core.backends.mlmd_facts import RUN, artifact_facts
from core.backends.mlmd_graph import LineageGraph
from core.backends.mlmd_run import RunWriter

_Result = TypeVar("_Result")


class LocalMetadata:
    """ML Metadata in a file on this machine; `Metadata` documents the methods."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()

    def record(self, run: RunFacts) -> None:
        """Record a run in one transaction, under a lock; LineageError when the file cannot be written."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with durable.locked(self.path.with_name(f".{self.path.name}.lock")):
            self._call(lambda: RunWriter(self._store, self._pb).write(run))

    def lineage(self, name: str, version: int, digest: str) -> Lineage:
        """Trace a published version back to the run, the tasks and the data that it was made from."""
        if not self.path.is_file():
            raise LineageError(f"{self.path}: nothing is recorded yet; `mlops run` records its runs there")
        return self._call(lambda: self._lineage(name, version, digest))

    @cached_property
    def _store(self) -> Any:
        from ml_metadata.metadata_store.metadata_store import MetadataStore  # noqa: PLC0415 - takes 0.4 s to import

        config = self._pb.ConnectionConfig()
        config.sqlite.filename_uri = str(self.path)
        return MetadataStore(config)

    @cached_property
    def _pb(self) -> Any:
        from ml_metadata.proto import metadata_store_pb2  # noqa: PLC0415 - as above

        return metadata_store_pb2

    def _call(self, operation: Callable[[], _Result]) -> _Result:
        """Run an operation on the store; its failure becomes a LineageError that names the file."""
        from ml_metadata import errors  # noqa: PLC0415 - as above

        try:
            return operation()
        except (errors.StatusError, RuntimeError) as error:
            reason = str(error).partition(" query:")[0]
            raise LineageError(
                f"{self.path}: wanted ML Metadata's SQLite file, got: {reason}; if another program has it locked, "
                "end that; if it is damaged, move it away: `mlops runs` and the models' manifests do not need it"
            ) from error

    def _lineage(self, name: str, version: int, digest: str) -> Lineage:
        graph = LineageGraph(self._store, self._pb)
        published = [
            artifact
            for artifact in self._store.get_artifacts_by_type(MODEL_VERSION)
            if _is_version(artifact, name, version, digest)
        ]
        events = self._store.get_events_by_artifact_ids([artifact.id for artifact in published]) if published else []
        publishers = sorted(event.execution_id for event in events if event.type == self._pb.Event.OUTPUT)
        if not publishers:
            raise LineageError(
                f"{self.path}: nothing is recorded of {name} version {version} ({digest}); "
                "its manifest has the digests of its data and code"
            )
        # A rerun publishes nothing new, so the first execution is the one that published.
        contexts = self._store.get_contexts_by_execution(publishers[0])
        run = next(context for context in contexts if context.type == RUN)
        return Lineage(name, version, digest, published[0].uri, graph.run(run, publishers[0]))


def _is_version(artifact: Any, name: str, version: int, digest: str) -> bool:
    facts = artifact_facts(artifact)
    return facts.digest == digest and facts.properties == {"name": name, "version": version}
