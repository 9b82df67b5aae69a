"""What several measurements need: the rows and the training of the model in production, opened once."""

from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from core.errors import MlopsError
from mlops.actions.scoring.subject import Subject
from mlops.runs.record import Task

if TYPE_CHECKING:
    import keras

    from artifacts.predictions.predictor import Predictor
    from artifacts.predictions.split import Splits
    from training.fitting import Fitted
    from training.predictions import Predictions
    from training.session import Session

SAMPLE = 1000
"""Rows of the eval split that are compared one by one."""


class Trained(NamedTuple):
    """A model that was trained in this process, as the run trained it."""

    model: "keras.Model"
    fitted: "Fitted"
    predictions: "Predictions"
    """On the eval split."""


@dataclass
class Bench:
    """Opens what is asked for; a context manager that removes what was kept on disk. TensorFlow is imported late."""

    subject: Subject
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def training(self) -> Task:
        """The training of the run; MlopsError when this store has none."""
        task = self.subject.task("train_model")
        if task is None:
            raise MlopsError(f"this store has no training of the model in production: {self.subject.run_command}")
        return task

    @property
    def examples(self) -> Path:
        """The rows of the run."""
        return self._input("examples")

    @property
    def transform_graph(self) -> Path:
        """The transform of the run."""
        return self._input("transform_graph")

    @property
    def trained_model(self) -> Path:
        """The SavedModel that the training of the run wrote."""
        from artifacts.model.names import SERVING  # noqa: PLC0415

        return self.training.outputs["model"].path / SERVING

    def _input(self, name: str) -> Path:
        path = self.training.inputs[name].path
        if not path.exists():
            raise MlopsError(f"{path}: the {name} of the training are gone: {self.subject.run_command}")
        return path

    def opened(self, spans: tuple[int, ...] | None = None) -> "Session":
        """Open the problem of the run, whose rows are removed with the bench."""
        from training.session import Sources, opened  # noqa: PLC0415 - imports TensorFlow
        from training.settings import TrainingSettings  # noqa: PLC0415

        task = self.training
        parameters: dict[str, Any] = dict(task.parameters)
        sources = Sources(parameters["module"], parameters["schema"], self.examples, self.transform_graph)
        settings = TrainingSettings.of(parameters["config"])
        return self._stack.enter_context(opened(settings, sources, spans))

    @cached_property
    def session(self) -> "Session":
        """The problem with all its rows; its module must have `build_model`."""
        found = self.opened()
        if not hasattr(found.module, "build_model"):
            raise MlopsError("module.py has a run_fn and no build_model: its model cannot be built here")
        return found

    @cached_property
    def trained(self) -> Trained:
        """A model that is trained as the run's."""
        return self.train(self.session)

    def train(self, session: "Session") -> Trained:
        """Build and fit a model, and ask it the rows of the eval split."""
        model = session.build()
        fitted = session.fit(model)
        return Trained(model, fitted, session.predictions(model, session.rows(model, "eval")))

    @cached_property
    def splits(self) -> "Splits":
        """The raw rows of the run."""
        from artifacts.predictions.split import Splits  # noqa: PLC0415
        from artifacts.schema.schema_file import read_schema  # noqa: PLC0415

        return Splits(self.examples, read_schema(self.subject.schema_path))

    def predictor(self, saved_model: Path) -> "Predictor":
        """Load a SavedModel."""
        from artifacts.predictions.predictor import Predictor  # noqa: PLC0415

        return Predictor(saved_model, self.subject.usecase.problem.task)

    @cached_property
    def champion(self) -> "Predictor":
        """The model in production, loaded."""
        assert self.subject.version is not None  # nothing is measured without one
        return self.predictor(self.subject.version.path)

    @property
    def not_sent(self) -> tuple[str, ...]:
        """The columns that no request has."""
        sent = {feature.name for feature in self.subject.serving_features}
        return tuple(feature.name for feature in self.subject.schema.feature if feature.name not in sent)
