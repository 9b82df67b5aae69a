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

_Answer = TypeVar("_Answer")


class LocalMetadata:
    """ML Metadata in a file of this machine; see `Metadata` for what each method promises."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()

    def record(self, run: RunFacts) -> None:
        """Record a run in one transaction, under a lock that other writers wait for."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with durable.locked(self.path.with_name(f".{self.path.name}.lock")):
            self._asked(lambda: RunWriter(self._store, self._pb).write(run))

    def lineage(self, name: str, version: int, digest: str) -> Lineage:
        """Trace a published version back to the run, the tasks and the data that made it."""
        if not self.path.is_file():
            raise LineageError(f"{self.path}: nothing was recorded yet; the first `mlops run` does")
        return self._asked(lambda: self._lineage(name, version, digest))

    @cached_property
    def _store(self) -> Any:
        from ml_metadata.metadata_store.metadata_store import MetadataStore  # noqa: PLC0415 - 0.4 s that only lineage should pay

        config = self._pb.ConnectionConfig()
        config.sqlite.filename_uri = str(self.path)
        return MetadataStore(config)

    @cached_property
    def _pb(self) -> Any:
        from ml_metadata.proto import metadata_store_pb2  # noqa: PLC0415 - as above

        return metadata_store_pb2

    def _asked(self, question: Callable[[], _Answer]) -> _Answer:
        """Ask the store; what it cannot do is an error that names the file."""
        from ml_metadata import errors  # noqa: PLC0415 - as above

        try:
            return question()
        except (errors.StatusError, RuntimeError) as error:
            reason = str(error).partition(" query:")[0]
            raise LineageError(
                f"{self.path}: wanted ML Metadata's SQLite file, got: {reason}; when another program keeps it locked, "
                "end that; when it is damaged, move it away: `mlops runs` and the models' manifests do not need it"
            ) from error

    def _lineage(self, name: str, version: int, digest: str) -> Lineage:
        graph = LineageGraph(self._store, self._pb)
        published = [one for one in self._store.get_artifacts_by_type(MODEL_VERSION) if _is(one, name, version, digest)]
        makers = self._store.get_events_by_artifact_ids([one.id for one in published]) if published else []
        outputs = sorted(event.execution_id for event in makers if event.type == self._pb.Event.OUTPUT)
        if not outputs:
            raise LineageError(
                f"{self.path}: nothing is recorded of {name} version {version} ({digest}); "
                "its own manifest still says where it comes from"
            )
        # A rerun publishes nothing new: the first execution is the one that did.
        run = next(one for one in self._store.get_contexts_by_execution(outputs[0]) if one.type == RUN)
        return Lineage(name, version, digest, published[0].uri, graph.run(run, outputs[0]))


def _is(artifact: Any, name: str, version: int, digest: str) -> bool:
    facts = artifact_facts(artifact)
    return facts.digest == digest and facts.properties == {"name": name, "version": version}
