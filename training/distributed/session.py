"""A problem that several processes open together, to fit one model."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras

from artifacts.examples.division import Part
from artifacts.labels.soft_rows import Portion
from core.errors import MlopsError, TrainingError
from problems.labels import TrainedLabel
from training import callbacks, fitting
from training.distributed import observed
from training.distributed.fitting import DistributedLoop
from training.distributed.group import Group
from training.distributed.rows import PartedRows
from training.fitting import Fitted
from training.hooks import Hooks
from training.rows import Rows
from training.session import BuildModel, Exporting, Session, Sources
from training.settings import TrainingSettings


@contextmanager
def opened(settings: TrainingSettings, sources: Sources, group: Group) -> Iterator["DistributedSession"]:
    """Open a problem in one of several processes; all of them leave together, when the first has written the model."""
    with tempfile.TemporaryDirectory(prefix="rows-") as folder:
        yield DistributedSession(settings, sources, Path(folder), group)
        group.exchange("done")


class DistributedSession(Session):
    """A session whose models are fitted by all processes of a group; the first of them exports."""

    def __init__(self, settings: TrainingSettings, sources: Sources, folder: Path, group: Group) -> None:
        """Read module, schema and transform; the rows are read when the model is fitted."""
        super().__init__(settings, sources, folder)
        self._group = group
        self._parted: dict[tuple[tuple[str, ...], Portion], PartedRows] = {}

    def build(self, build_model: BuildModel | None = None) -> keras.Model:
        """Build and compile a model whose variables are the same in all processes; errors as `Session.build`."""
        return self.build_in(self._group.strategy.scope(), build_model)

    def fit(
        self,
        model: keras.Model,
        checkpoint: Path | None = None,
        hooks: Sequence[Hooks] = (),
        exporting: Exporting | None = None,  # noqa: ARG002 - another model is exported
    ) -> Fitted:
        """Fit a model to the rows of all processes; errors as `Session.fit`."""
        with self._group.strategy.scope():
            users = callbacks.hooks_of(self.module, self.hyperparameters, self.settings.epochs)
            loop = DistributedLoop(self._group, model, self.splits(model), self.settings, (*hooks, *users))
            return fitting.follow(loop, checkpoint)

    def exporting(self, model: keras.Model) -> None:
        """Prepare nothing: what is exported is built when the training has ended."""

    def export(
        self,
        model: keras.Model,
        folder: Path,
        exporting: Exporting | None = None,  # noqa: ARG002 - as in `fit`
    ) -> TrainedLabel:
        """Write the model in the first process, as `Session.export` does; others return its label alone."""
        if not self._group.member.is_chief:
            return self.label(model)
        plain = super().build()  # outside of the strategy: its variables belong to all processes
        for weight, trained in zip(plain.weights, model.weights, strict=True):
            weight.assign(trained.numpy())
        return super().export(plain, folder)

    def read(self, features: tuple[str, ...], portion: Portion) -> Rows:
        """Return the rows of a portion, of which each process reads its parts; errors of any of them in all."""
        key = features, portion
        if key not in self._parted:
            self._parted[key] = self._read(features, portion)
        return self._parted[key]

    def _read(self, features: tuple[str, ...], portion: Portion) -> PartedRows:
        own: dict[int, Rows] = {}
        fault = ""
        try:
            for index in self._group.own:
                part = portion._replace(part=Part(index, self._group.parts))
                own[index] = super().read(features, part)
        except MlopsError as error:
            fault = str(error)
        found = self._group.exchange(
            {
                "fault": fault,
                "counts": {str(index): len(rows) for index, rows in own.items()},
                "labels": [list(rows.labels.items()) for rows in own.values()],
                "is_soft": any(rows.is_soft for rows in own.values()),
                "observed": observed.facts(self._store.observed),
            }
        )
        if faults := [one["fault"] for one in found if one["fault"]]:
            raise TrainingError(faults[0])
        observed.merge(self._store.observed, [one["observed"] for one in found])
        counts = {int(index): rows for one in found for index, rows in one["counts"].items()}
        ordered = tuple(counts[index] for index in range(self._group.parts))
        return PartedRows(own, ordered, _added(found), is_soft=any(one["is_soft"] for one in found))


def _added(found: Sequence[dict[str, Any]]) -> dict[float, float]:
    """Return the number of rows of each label, of all parts."""
    labels: dict[float, float] = {}
    for one in found:
        for part in one["labels"]:
            for value, count in part:
                labels[value] = labels.get(value, 0) + count
    return labels
