"""Calls the stages of a use case one by one in this process, as TFX's InteractiveContext does with its components."""

import os
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.backends.registry import open_registry
from core.errors import UsageError, did_you_mean
from core.problem import facts_in
from core.store import Store
from mlops.notebook import views
from mlops.notebook.artifact import StageArtifact
from mlops.worlds.pinned import data_parameters
from mlops.worlds.world import RequestedSpan, RunRequest
from pipelines import stages
from pipelines.config import UseCase, find, load
from pipelines.segments import config_with

_RETURNED = "Output"
"""kfp's name for what a component returns."""


@dataclass(frozen=True)
class StageResult:
    """The outputs of one call of a stage; an artifact is also an attribute, such as `result.examples`."""

    stage: str
    artifacts: Mapping[str, StageArtifact]
    returned: Any = None
    """What the component returned, such as whether a gate is open."""

    def __getattr__(self, name: str) -> StageArtifact:
        artifacts: Mapping[str, StageArtifact] = self.__dict__.get("artifacts", {})
        if name in artifacts:
            return artifacts[name]
        raise AttributeError(f"{self.__dict__.get('stage')} has no output {name!r}{did_you_mean(name, artifacts)}")

    def _repr_html_(self) -> str:
        shown = [views.artifact(one.name, one.path, one.metadata) for one in self.artifacts.values()]
        return views.page(*shown) if shown else views.page(views.empty(self.stage))


@dataclass
class StepByStep:
    """One use case, whose stages are called with its sections of `config.yaml`.

    What a pipeline pins before a run (source, span, digest of the data, schema, module, champion) is filled in; the
    outputs of other stages are passed by hand. Nothing is cached: a call runs the stage.
    """

    name: str
    """The use case: its name, or a path to its folder."""
    span: RequestedSpan = None
    store: Store = field(default_factory=lambda: Store.of(os.environ))
    folder: Path | None = None
    """Where outputs are written; None: to a temporary folder of the store, which is removed with this object."""
    last: StageResult | None = field(default=None, init=False)
    """The outputs of the last call: what a gate wrote before it stopped is here, too."""

    def __post_init__(self) -> None:
        """Fetch the data of the span, where the use case knows how, and pin it; raises as `mlops run` does."""
        self.usecase: UseCase = load(find(self.name))
        if self.folder is None:
            below = self.store.root / "notebooks"
            below.mkdir(parents=True, exist_ok=True)
            self._temporary = tempfile.TemporaryDirectory(prefix=f"{self.usecase.name}-", dir=below)
            self.folder = Path(self._temporary.name)
        champion = open_registry(self.store.registry).pointer(self.usecase.name)
        self._pinned: dict[str, Any] = {
            **data_parameters(RunRequest(self.usecase, span=self.span), self.store),
            "name": self.usecase.name,
            "schema": self.usecase.schema_file,
            "module": self.usecase.module,
            "labeling": self.usecase.labeling,
            "registry": self.store.registry,
            "champion": str(champion or ""),
            "submission": uuid.uuid4().hex,
            "training": self.usecase.section("train_model") if self.usecase.has("train_model") else {},
        }
        self._calls = 0

    def run(self, stage: str, config: Mapping[str, Any] | None = None, **inputs: Any) -> StageResult:
        """Call a stage's component and return its outputs.

        `config` changes keys of the stage's section; each input is an artifact of an earlier result, or a value.
        Raises UsageError for an unknown stage or input and for one that is missing, and what the stage raises.
        """
        component = stages.component(stage)
        wanted = component.component_spec.inputs or {}
        pinned = {**self._pinned, "data": ""} if config else self._pinned  # another window has another digest
        given = {"config": self._config(stage, config), **pinned, **inputs}
        self._check(stage, inputs, {name for name, one in wanted.items() if not one.optional} - given.keys())
        artifacts = dict(self._outputs(stage))
        self.last = StageResult(stage, artifacts)
        arguments = {name: value for name, value in given.items() if name in wanted}
        returned = component.python_func(**arguments, **artifacts)
        self.last = StageResult(stage, artifacts, returned)
        return self.last

    def _config(self, stage: str, changes: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return the configuration of a stage with some keys of its section changed, checked as `config.yaml` is.

        A stage without a section there has the facts of the problem alone, and `changes`.
        """
        model = stages.config_model(stage)
        if self.usecase.has(stage):
            section = self.usecase.section(stage)
        else:
            problem = self.usecase.problem.model_dump(mode="json")
            section = {name: problem[fact] for name, fact in facts_in(model).items()}
        section |= dict(changes or {})
        return config_with(
            self.usecase, stage, model.model_validate(section).model_dump(mode="json", exclude_none=True)
        )

    def _check(self, stage: str, inputs: Mapping[str, Any], missing: set[str]) -> None:
        wanted = stages.component(stage).component_spec.inputs or {}
        for name in inputs:
            if name not in wanted:
                raise UsageError(f"{stage} has no input {name!r}{did_you_mean(name, wanted)}")
        for name in sorted(missing):
            makers = [one for one in stages.names() if name in (stages.component(one).component_spec.outputs or {})]
            hint = f"the output of {' or '.join(makers)}" if makers else "a value"
            raise UsageError(f"{stage} needs {name}: pass {hint}, as in steps.run({stage!r}, {name}=...)")

    def _outputs(self, stage: str) -> Iterator[tuple[str, StageArtifact]]:
        """Yield a new artifact for each output of a stage; its folder is there, as kfp makes it."""
        assert self.folder is not None
        self._calls += 1
        folder = self.folder / f"{self._calls:02d}-{stage}"
        folder.mkdir(parents=True)
        for name, output in (stages.component(stage).component_spec.outputs or {}).items():
            if name != _RETURNED:
                yield name, StageArtifact(name, str(folder / name), output.type.partition("@")[0])
