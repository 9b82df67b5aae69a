"""What is scored: a use case, the model that is in production, the run that made it, and what was measured of them."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pydantic import ValidationError
from tensorflow_metadata.proto.v0 import schema_pb2

from artifacts.schema.schema_file import SCHEMA_NAME, SERVING, SchemaFile
from core import digest
from core.backends.registry import ModelVersion, Registry, open_registry
from core.decision import Decision
from core.errors import CorruptArtifact, MlopsError
from core.source_commit import SourceCommit, source_commit
from core.store import Store
from core.user_code import ROOT
from mlops.actions.scoring.measurements import Measurements
from mlops.runs.history import read_run, submitted
from mlops.runs.record import Run, State, Task
from pipelines.config import UseCase
from pipelines.kinds import Kind

FOLDER = "score"
"""In the store: measurements and the page, in a folder for each use case."""


@dataclass(frozen=True)
class Subject:
    """A use case in a store; what it has is read when a row asks for it."""

    usecase: UseCase
    store: Store
    commit: SourceCommit
    root: Path = ROOT
    """The project's folder, with tests and workflows."""

    @classmethod
    def of(cls, usecase: UseCase, store: Store) -> "Subject":
        """Take the sources as git knows them."""
        return cls(usecase, store, source_commit())

    @property
    def folder(self) -> Path:
        """The folder for what the score writes."""
        return self.store.root / FOLDER / self.usecase.name

    @property
    def run_command(self) -> str:
        """The command that puts a model into production."""
        return f"mlops run {self.usecase.cli_name}"

    @cached_property
    def measurements(self) -> Measurements:
        """What was measured."""
        return Measurements(self.folder)

    @cached_property
    def registry(self) -> Registry:
        """The store's registry."""
        return open_registry(self.store.registry)

    @cached_property
    def version(self) -> ModelVersion | None:
        """The version in production; None when there is none, or its files are damaged."""
        try:
            return self.registry.champion(self.usecase.name)
        except MlopsError:
            return None

    @cached_property
    def run(self) -> Run | None:
        """The run that pushed the version in production; None when this store has no record of it."""
        if self.version is None:
            return None
        submission = self.version.about.get("submission", "")
        runs = (run for run in self.training_runs if run.parameters.get("submission") == submission)
        return next((run for run in runs if submission), None)

    @cached_property
    def training_runs(self) -> tuple[Run, ...]:
        """The training runs of this use case that ended, the newest first."""
        return self.runs_of(Kind.TRAINING)

    def runs_of(self, kind: Kind) -> tuple[Run, ...]:
        """Return the runs of a kind that ended, the newest first."""
        found = []
        for run_id, submission in submitted(self.store).items():
            if submission.usecase == self.usecase.name and submission.kind is kind:
                try:
                    found.append(read_run(self.store, run_id))
                except MlopsError:
                    continue  # it has not ended, or its record is damaged
        return tuple(sorted(found, key=lambda run: run.started, reverse=True))

    def task(self, stage: str) -> Task | None:
        """Return the last task of a stage that succeeded in the run; None when there is none."""
        tasks = self.run.tasks if self.run is not None else ()
        return next((one for one in reversed(tasks) if one.stage == stage and one.state is State.SUCCEEDED), None)

    def decision_file(self, stage: str) -> Path | None:
        """Return the file with a gate's decision in the run."""
        task = self.task(stage)
        return task.output_file("decision") if task is not None else None

    def decision(self, stage: str) -> Decision | None:
        """Return a gate's decision about the model; None when there is none, it was changed, or is about another."""
        path = self.decision_file(stage)
        try:
            decision = Decision.read(path) if path is not None else None
        except (OSError, ValidationError):
            return None
        if decision is None or self.version is None:
            return None
        return decision if decision.subject in ("", self.version.digest) else None

    def artifact(self, stage: str, output: str) -> Path | None:
        """Return the path of an output of the run; None when it is not there."""
        task = self.task(stage)
        found = task.outputs.get(output) if task is not None else None
        return found.path if found is not None and found.path.exists() else None

    @property
    def schema_path(self) -> Path:
        """The curated schema."""
        return self.usecase.folder / SCHEMA_NAME

    @cached_property
    def schema(self) -> schema_pb2.Schema:
        """The curated schema, parsed."""
        return self.schema_file.schema

    @cached_property
    def schema_file(self) -> SchemaFile:
        """The curated schema with the lines of its features."""
        return SchemaFile(self.schema_path)

    @cached_property
    def serving_features(self) -> tuple[schema_pb2.Feature, ...]:
        """The features that a request has."""
        problem = self.usecase.problem
        left_out = {problem.label, problem.weight}
        return tuple(
            feature
            for feature in self.schema.feature
            if SERVING not in feature.not_in_environment
            and feature.name not in left_out
            and feature.lifecycle_stage not in (schema_pb2.DISABLED, schema_pb2.DEPRECATED, schema_pb2.PLANNED)
        )

    @cached_property
    def identity(self) -> dict[str, str]:
        """What a measurement is about; when any of it changes, it is measured anew."""
        return {
            "model": self.version.digest if self.version is not None else "none",
            "code": self.usecase.module.rpartition("@")[2],
            "schema": self.usecase.schema_file.rpartition("@")[2],
            # The rules about features bound what is measured, and do not change it.
            "configuration": digest.of_bytes(self.usecase.model_dump_json(exclude={"features"}).encode()),
        }


def read_version(registry: Registry, name: str, number: int) -> ModelVersion | None:
    """Return a version whose bytes are as its manifest has them; None for one that is damaged or gone."""
    try:
        return registry.get(name, number)
    except (CorruptArtifact, MlopsError):
        return None
