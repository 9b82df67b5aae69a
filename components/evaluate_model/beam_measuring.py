"""What workers of Beam do with scored shards: decide over all of them, measure the sample, and sum up the slices."""

import pickle
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import reduce
from typing import Any, NamedTuple

import pyarrow_hotfix  # noqa: F401
import apache_beam as beam
import numpy as np
from apache_beam.transforms.window import GlobalWindows

from artifacts.evaluation.population import Population, Total, added
from artifacts.evaluation.result import (
    Numbers,
    evaluated_models,
    faults,
    group_all,
    measure_rows,
    slice_rows,
    tfma_numbers,
)
from artifacts.evaluation.scored_rows import ScoredRows
from artifacts.evaluation.slices import SliceKey, groups
from artifacts.evaluation.spec import CANDIDATE, CHAMPION
from artifacts.evaluation.tfma_in_process import Engine, Sums
from artifacts.evaluation.tfma_output import Messages
from artifacts.predictions.row_sample import smallest
from components.evaluate_model.beam_scoring import FITTED, SCORED, SUMMARY, Job, Summary
from components.evaluate_model.pictures import plots
from components.evaluate_model.scored_parts import (
    LABEL,
    WEIGHT,
    Fitted,
    ScoredPart,
    ScoredSplit,
    champion_of,
    combined,
    skills_of,
    worst_of,
)
from core.problem import ModelOutput
from problems.labels import TrainedLabel
from problems.scores import OutputFacts, are_logits

DECIDED, ROWS, NUMBERS, PLOTS, METRICS = "decided", "rows", "numbers", "plots", "metrics"
"""Files of the work folder, and a folder."""
GROUPS = 64
"""Files that the slices' metrics are divided into, whatever the number of slices."""
_TOGETHER = 1 << 19
"""Rows that are summed up together: a sum of a slice costs milliseconds, of however few rows."""


class Decided(NamedTuple):
    """What holds for all rows, when all shards are scored."""

    label: TrainedLabel
    """What the candidate was trained on, with the names of its classes."""
    scored: ScoredSplit
    """Without its rows."""
    models: dict[str, OutputFacts]
    """How the output of each model is read that is evaluated; of none where the rows cannot be evaluated."""
    slices: dict[SliceKey, Total]
    """The slices that are evaluated."""


class SliceMetrics(NamedTuple):
    """TFMA's metrics of one slice."""

    messages: Messages
    numbers: dict[str, Numbers]
    """By model."""


class Decide(beam.DoFn):  # type: ignore[misc]  # Beam has no types
    """Keeps what holds for all rows, from the summaries of the shards, and the sample."""

    def __init__(self, job: Job) -> None:
        self._job = job

    def process(self, names: list[str]) -> Iterator[str]:
        """Read what the shards have kept, in their order; `names` are its files."""
        job, spec = self._job, self._job.config.evaluation_spec
        ordered = sorted(names, key=int)
        summaries: list[Summary] = [job.kept(SUMMARY, name) for name in ordered]
        parts = [one.sample or job.kept(SCORED, name) for name, one in zip(ordered, summaries, strict=True)]
        fitted: Fitted = job.kept(FITTED)
        label = summaries[0].label
        facts = _facts(parts, summaries)
        population, sampled = _sampled(job, summaries, parts, facts)
        rows = replace(combined(label, fitted, sampled, facts), population=population)
        job.keep(rows, ROWS)
        skills = skills_of(fitted, parts)
        scored = ScoredSplit(rows.summary(), skills, summaries[0].parity, worst_of(parts), fitted.left_out)
        if any(faults(spec, rows)):
            yield job.keep(Decided(label, scored, {}, {}), DECIDED)
            return
        models, _ = evaluated_models(rows)
        slices = {key: total for one in population.slices.values() for key, total in one.items()}
        if any(len(one) > spec.max_slices for one in population.slices.values()):
            slices = {key: slices[key] for key in slice_rows(rows, group_all(spec, rows))}
        yield job.keep(Decided(label, scored, {name: facts[name] for name in models}, slices), DECIDED)


def _facts(parts: list[ScoredPart], summaries: list[Summary]) -> dict[str, OutputFacts]:
    """Return what decides how the output of each model is read, over all rows; no champion that did not score them."""
    fault, champion = champion_of(parts)
    names = (CANDIDATE,) if champion is None or fault else (CANDIDATE, CHAMPION)
    return {name: reduce(OutputFacts.plus, (one.facts[name] for one in summaries)) for name in names}


def _not_finite(name: str, facts: OutputFacts, summaries: list[Summary], parts: list[ScoredPart]) -> int:
    """Return the number of rows with a score of a model that is not finite."""
    label = champion_of(parts)[1] if name == CHAMPION else summaries[0].label
    assert label is not None
    form: ModelOutput = "logits" if are_logits(np.zeros(0), label.output, facts) else "probabilities"
    return sum(one.not_finite[name, form] for one in summaries)


def _sampled(
    job: Job, summaries: list[Summary], parts: list[ScoredPart], facts: dict[str, OutputFacts]
) -> tuple[Population, list[ScoredPart]]:
    """Return what is known of the whole split, and the sample of its rows, all of them where they are few enough."""
    chosen = smallest(np.concatenate([one.drawn for one in summaries]), job.config.sample_rows)
    sampled, start = [], 0
    for one, part in zip(summaries, parts, strict=True):
        first, last = np.searchsorted(chosen, [start, start + len(one.drawn)])
        mine = chosen[first:last] - start
        sampled.append(part if len(mine) == len(one.drawn) else part.take(mine))
        start += len(one.drawn)
    weights = [one.weight for one in summaries if one.weight is not None]
    population = Population(
        rows=sum(one.rows for one in summaries),
        sampled=len(chosen),
        seed=job.config.seed,
        not_finite={name: _not_finite(name, fact, summaries, parts) for name, fact in facts.items()},
        weight=sum(weights) if weights else None,
        slices={features: added(one.slices[features] for one in summaries) for features in summaries[0].slices},
    )
    return population, sampled


class OnDecided(beam.DoFn):  # type: ignore[misc]  # Beam has no types
    """Work of a process that has read what was decided, and has TFMA's computations."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._found: tuple[Decided, Engine] | None = None

    def _decided(self) -> tuple[Decided, Engine]:  # no property: Beam reads all of those when a pipeline is built
        if self._found is None:
            decided: Decided = self._job.kept(DECIDED)
            config = self._job.config
            self._found = decided, Engine(config.evaluation_spec, tuple(decided.models), config.weight is not None)
        return self._found


class Measure(OnDecided):
    """Measures the sample, draws its plots, or sums up the slices of scored shards; yields the sums of a bundle."""

    def start_bundle(self) -> None:
        """Begin without sums."""
        self._parts: list[ScoredPart] = []
        self._sums: dict[SliceKey, Sums] = {}

    def process(self, name: str) -> list[Any]:
        """Take `NUMBERS`, `PLOTS`, or the file of a shard."""
        job, spec = self._job, self._job.config.evaluation_spec
        if name == NUMBERS:
            rows: ScoredRows = job.kept(ROWS)
            job.keep(measure_rows(spec, rows, group_all(spec, rows)), NUMBERS)
        elif name == PLOTS:
            job.keep(plots(job.config, job.kept(ROWS)) if self._decided()[0].models else [], PLOTS)
        elif self._decided()[0].models:
            self._parts.append(job.kept(SCORED, name))
            if sum(part.rows for part in self._parts) >= _TOGETHER:
                self._sum_up()
        return []

    def finish_bundle(self) -> Iterator[Any]:
        """Yield the number of a group of slices, with a slice and its sums."""
        if self._parts:
            self._sum_up()
        numbers = {key: number for number, key in enumerate(self._decided()[0].slices)} if self._sums else {}
        for key, sums in self._sums.items():
            yield GlobalWindows.windowed_value((numbers[key] % GROUPS, pickle.dumps((key, sums))))

    def _sum_up(self) -> None:
        decided, engine = self._decided()
        rows = _scored_rows(decided, self._parts)
        self._parts = []
        grouped = {
            features: groups(rows.columns, features, len(rows.labels))
            for features in self._job.config.slices
            if features
        }
        for key, members in slice_rows(rows, grouped).items():
            if key in decided.slices:
                sums = engine.sums(key, members, rows.labels, rows.models, rows.weights)
                self._sums[key] = engine.added(key, [self._sums[key], sums]) if key in self._sums else sums


class AddUp(OnDecided):
    """Adds the sums of the slices of a group, and keeps their metrics."""

    def process(self, group: tuple[int, Iterable[bytes]]) -> Iterator[str]:
        """Take what all bundles have of these slices."""
        decided, engine = self._decided()
        sums: dict[SliceKey, list[Sums]] = {}
        for content in group[1]:
            key, part = pickle.loads(content)  # noqa: S301 - ours
            sums.setdefault(key, []).append(part)
        found = {}
        for key, parts in sums.items():
            values, total = engine.results(key, engine.added(key, parts)), decided.slices[key]
            extremes = (total.least, total.greatest)
            numbers = tfma_numbers(self._job.config.evaluation_spec, values, tuple(decided.models), extremes)
            found[key] = SliceMetrics(Messages.of(key, values), numbers)
        yield self._job.keep(found, METRICS, str(group[0]))


def _scored_rows(decided: Decided, parts: list[ScoredPart]) -> ScoredRows:
    """Return the rows of some shards with the scores of the models that are evaluated."""
    wanted = (*decided.models, LABEL, WEIGHT)
    chosen = [
        part._replace(
            values={name: values for name, values in part.values.items() if name in wanted},
            champion=part.champion if CHAMPION in decided.models else None,
        )
        for part in parts
    ]
    return combined(decided.label, Fitted(), chosen, decided.models)
