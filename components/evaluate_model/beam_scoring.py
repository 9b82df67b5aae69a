"""What workers of Beam do to score a split: draw rows, fit the baselines on them, and score the shards."""

import pickle
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow_hotfix  # noqa: F401
import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.utils.shared import Shared
from tensorflow_metadata.proto.v0 import schema_pb2

from artifacts.evaluation.population import Total, total, totals
from artifacts.evaluation.result import not_finite
from artifacts.evaluation.slices import OVERALL, SliceKey, groups
from artifacts.evaluation.spec import CANDIDATE, CHAMPION, Features
from artifacts.predictions import parity
from artifacts.predictions.labels import LabelReader
from artifacts.predictions.parity import ParityRow
from artifacts.predictions.placed_shard import PlacedShard
from artifacts.predictions.row_sample import Priorities, priorities, smallest
from artifacts.predictions.scoring_model import ScoringModel
from artifacts.predictions.split import Splits
from components.evaluate_model.config import Config
from components.evaluate_model.fitting import fit_all
from components.evaluate_model.models import Models, load_model
from components.evaluate_model.scored_parts import LABEL, WEIGHT, Fitted, ScoredPart
from components.evaluate_model.scorer import Scorer, excluded
from components.evaluate_model.scoring import prepared
from core.object_stores import locations
from core.object_stores.locations import Location
from core.problem import ModelOutput
from problems import kind
from problems.labels import TrainedLabel
from problems.scores import OutputFacts

_FORMS: tuple[ModelOutput, ...] = ("logits", "probabilities")
TRAIN, SCORED, SUMMARY, FITTED = "train", "scored", "summary", "fitted"
"""Folders and a file of the work folder."""


@dataclass(frozen=True)
class Job:
    """What scoring needs; workers get it."""

    config: Config
    schema: bytes
    examples: Location
    candidate: Location
    champion: Location | None
    first: bytes
    """The first row of the eval split, serialized."""
    work: Location
    is_sampled: bool = False
    """Whether there are more rows than the sample may have."""

    def keep(self, value: Any, *names: str) -> str:
        """Keep something in the work folder, and return its name; a bundle that is run again keeps the same again."""
        locations.write(locations.join(self.work, *names), pickle.dumps(value), synced=False)
        return names[-1]

    def kept(self, *names: str) -> Any:
        """Read what was kept."""
        return pickle.loads(locations.read(locations.join(self.work, *names)))  # noqa: S301 - ours


class Summary(NamedTuple):
    """What is decided by of one shard, whose scored rows stay in a file."""

    label: TrainedLabel
    """What the candidate was trained on, with the names of its classes."""
    sample: ScoredPart | None
    """The rows that may be in the sample; None where all are."""
    drawn: Priorities
    """Their random numbers."""
    rows: int
    not_finite: dict[tuple[str, ModelOutput], int]
    """Rows with a score that is not finite, by model and what its output is taken for."""
    facts: dict[str, OutputFacts]
    """What decides how a model's output is read."""
    weight: float | None
    slices: dict[Features, dict[SliceKey, Total]]
    parity: tuple[ParityRow, ...]


class _Loaded:
    """The models of one worker process, and what was fitted on the train split, when that is there."""

    def __init__(self, job: Job) -> None:
        self._job = job
        candidate, self.width = prepared(self._model(job.candidate, "candidate"), job.first)
        self.models = Models(candidate, None if job.champion is None else self._model(job.champion, "champion"))
        self.labels = LabelReader(candidate.label, self.width, candidate.folder)

    @cached_property
    def fitted(self) -> Fitted:
        """The baselines and single-feature tables."""
        found: Fitted = self._job.kept(FITTED)
        return found

    @cached_property
    def _copies(self) -> tempfile.TemporaryDirectory[str]:
        """Where models of an object store are copied; a worker of this machine, which ends at once, makes none."""
        return tempfile.TemporaryDirectory(prefix="mlops-models-")

    def _model(self, place: Location, name: str) -> ScoringModel:
        if not isinstance(place, str):
            return load_model(place, self._job.config)
        copied = Path(self._copies.name) / name
        locations.copy_here(place, copied)
        return load_model(copied, self._job.config)


class OnModels(beam.DoFn):  # type: ignore[misc]  # Beam has no types
    """Work of a process that has loaded the models once, for all such work of a pipeline."""

    def __init__(self, job: Job, models: Shared) -> None:
        self._job, self._models = job, models

    def _loaded(self) -> _Loaded:  # no property: Beam reads all of those when a pipeline is built
        found: _Loaded = self._models.acquire(partial(_Loaded, self._job))
        return found

    def _splits(self) -> Splits:
        return Splits(self._job.examples, schema_pb2.Schema.FromString(self._job.schema))


class DrawRows(OnModels):
    """Keeps the rows of a shard that may be in the sample, with their random numbers.

    It loads the models, too: all workers have rows to draw, and one alone will fit baselines on them.
    """

    def __init__(self, job: Job, models: Shared, limit: float) -> None:
        super().__init__(job, models)
        self._limit = limit

    def process(self, place: PlacedShard) -> Iterator[str]:
        """Read one shard."""
        drawn = priorities(self._job.config.seed, place.before, place.shard.records)
        rows = np.flatnonzero(drawn <= self._limit)
        splits = self._splits()
        take = splits.taken_records if self._loaded().labels.reads_records else splits.taken
        yield self._job.keep((take(place.shard, rows), drawn[rows]), TRAIN, str(place.number))


class FitBaselines(OnModels):
    """Fits the baselines on the rows that `Splits.sample` draws, when all shards have handed in theirs."""

    def process(self, names: list[str]) -> Iterator[str]:
        """Read what was drawn, in the order of the shards; `names` are its files."""
        job = self._job
        parts = [job.kept(TRAIN, name) for name in sorted(names, key=int)]
        drawn, splits, labels = [kept for kept, _ in parts], self._splits(), self._loaded().labels
        chosen = smallest(np.concatenate([numbers for _, numbers in parts]), job.config.baseline_examples)
        if labels.reads_records:
            records = list(chain.from_iterable(drawn))
            block = splits.block([records[row] for row in chosen])
        else:
            block = splits.columns_of(drawn)
            block = block._replace(batch=block.batch.take(pa.array(chosen)))
        yield job.keep(fit_all(job.config, splits, block, labels), FITTED)


class ScoreShard(OnModels):
    """Scores a shard, and keeps its rows and its summary; nothing of a shard without rows."""

    def __init__(self, job: Job, models: Shared, limit: float) -> None:
        super().__init__(job, models)
        self._limit = limit

    def process(self, place: PlacedShard) -> Iterator[str]:
        """Score one shard."""
        job, loaded = self._job, self._loaded()
        for skill in loaded.fitted.skills.values():
            skill.sums = None
        scorer = Scorer(job.config, loaded.models, loaded.labels, loaded.fitted, loaded.width)
        rows: tuple[ParityRow, ...] = ()
        for block in self._splits().shard_blocks(place.shard, job.config.batch_size):
            output = loaded.models.candidate.predictor(block.serialized)
            scorer.add(block, output)
            if not place.before:
                rows = rows or parity.choose(block.batch, output, excluded(job.config), job.config.parity_examples)
        if not place.shard.records:  # read all the same: its digest is checked
            return
        part = scorer.part()
        job.keep(part, SCORED, str(place.number))
        found = _summarized(job, part, place, self._limit)
        label = loaded.models.candidate.label
        yield job.keep(found._replace(label=label, parity=rows), SUMMARY, str(place.number))


def _summarized(job: Job, part: ScoredPart, place: PlacedShard, limit: float) -> Summary:
    drawn = priorities(job.config.seed, place.before, part.rows)
    mine = np.flatnonzero(drawn <= limit)
    problem = kind(job.config.task)
    outputs = {name: part.values[name] for name in (CANDIDATE, CHAMPION) if name in part.values}
    return Summary(
        label=TrainedLabel(job.config.label, job.config.task),
        sample=part.take(mine) if job.is_sampled else None,
        drawn=drawn[mine],
        rows=part.rows,
        not_finite={
            (name, form): not_finite(problem.scores(values, form).values)
            for name, values in outputs.items()
            for form in _FORMS
        },
        facts={name: OutputFacts.of(values) for name, values in outputs.items()},
        weight=float(part.values[WEIGHT].sum()) if WEIGHT in part.values else None,
        slices={(): {OVERALL: total(part.values[LABEL])}}
        | {
            features: totals(groups(part.columns, features, part.rows), part.values[LABEL])
            for features in job.config.slices
            if features
        },
        parity=(),
    )
