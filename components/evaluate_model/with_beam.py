"""Scores and evaluates on Beam: workers read shards and load the models once; sums and a sample of rows come back.

Two pipelines. One draws the rows that baselines are fitted on, fits those on a worker, and scores the eval split. Of a
split that has more rows than the sample, its scores are kept until the end in files, and another one computes TFMA's
metrics of them, when it is known which outputs are logits and which slices are the largest. Of fewer rows the step sums
them up itself, which takes less time than TFMA's graph.
"""

import pickle
from dataclasses import replace
from pathlib import Path

import pyarrow_hotfix  # noqa: F401
import apache_beam as beam
import numpy as np
from apache_beam.utils.shared import Shared

from adapters.beam_run import run
from adapters.beam_work import Keep, distributed, gathered, seen_by_workers, work_folder
from artifacts.evaluation import tfma_beam
from artifacts.evaluation.eval_config import eval_config
from artifacts.evaluation.population import Population, added
from artifacts.evaluation.result import faults, grouped_rows
from artifacts.evaluation.scored_rows import ScoredRows
from artifacts.evaluation.spec import CANDIDATE, CHAMPION
from artifacts.examples.manifest import ExamplesManifest
from artifacts.predictions.placed_shard import placed, with_rows
from artifacts.predictions.row_sample import bound, smallest
from artifacts.predictions.split import Splits
from components.evaluate_model.beam_scoring import (
    FITTED,
    SUMMARY,
    TRAIN,
    DrawRows,
    FitBaselines,
    Job,
    LoadScored,
    ScoreShard,
    Summary,
)
from components.evaluate_model.config import Config
from components.evaluate_model.fitting import needs_training_rows
from components.evaluate_model.scored_parts import (
    Fitted,
    ScoredPart,
    ScoredSplit,
    champion_of,
    combined,
    skills_of,
    worst_of,
)
from core.beam.settings import Runner
from core.object_stores import locations
from core.problem import ModelOutput
from problems.labels import TrainedLabel


def score_with_beam(
    runner: Runner, config: Config, splits: Splits, folders: tuple[Path, Path | None], made: Path
) -> tuple[TrainedLabel, ScoredSplit]:
    """Fit the baselines, score the eval split and compute TFMA's metrics, whose files are written to a folder.

    `folders` are those of the candidate and the champion; returns the candidate's label with the scores.
    """
    candidate, champion = folders
    total = ExamplesManifest.read(splits.folder).records("eval")
    with work_folder(runner, made) as work:
        job = Job(
            config=config,
            schema=splits.schema.SerializeToString(),
            examples=seen_by_workers(runner, splits.folder, "the examples"),
            candidate=seen_by_workers(runner, candidate, "the model"),
            champion=None if champion is None else seen_by_workers(runner, champion, "the champion"),
            first=splits.first("eval"),
            work=work,
            keeps_scores=total > config.sample_rows,
        )
        summaries = _score(runner, job)
        fitted: Fitted = pickle.loads(locations.read(locations.join(work, FITTED)))  # noqa: S301 - ours
        label, parts = summaries[0].label, [summary.sample for summary in summaries]
        outputs = _outputs(label, parts, summaries)
        sampled, skills = _sampled(job, fitted, summaries, outputs), skills_of(fitted, parts)
        scored = ScoredSplit(sampled, skills, summaries[0].parity, worst_of(parts), fitted.left_out)
        del summaries, parts, sampled  # the rows are in memory once while TFMA's pipeline runs
        rows = _with_tfma(runner, job, scored.rows, LoadScored(job, label, outputs), made)
    return label, replace(scored, rows=rows)


def _score(runner: Runner, job: Job) -> list[Summary]:
    manifest = ExamplesManifest.read(job.examples)
    found = placed(manifest, "eval")
    limit = bound(job.config.sample_rows, manifest.records("eval"))
    folder, models = locations.join(job.work, SUMMARY), Shared()
    if not needs_training_rows(job.config):
        locations.write(locations.join(job.work, FITTED), pickle.dumps(Fitted()), synced=False)

    def build(pipeline: beam.Pipeline) -> None:
        fitted = _fitted(pipeline, job, models) if needs_training_rows(job.config) else None
        shards = distributed(pipeline, "Shards", found, fitted)
        _ = shards | "Score" >> beam.ParDo(ScoreShard(job, models, limit)) | "Keep" >> beam.ParDo(Keep(folder))

    run(runner, build)
    kept = (locations.read(locations.join(folder, str(one.number))) for one in with_rows(found))
    return [pickle.loads(content) for content in kept]  # noqa: S301 - ours


def _fitted(pipeline: beam.Pipeline, job: Job, models: Shared) -> beam.PCollection:
    """Draw rows of the train split, and fit the baselines on them; one element comes when those are kept."""
    manifest = ExamplesManifest.read(job.examples)
    draw = DrawRows(job, models, bound(job.config.baseline_examples, manifest.records("train")))
    drawn = distributed(pipeline, "Train shards", placed(manifest, "train")) | "Draw" >> beam.ParDo(draw)
    kept = drawn | "Keep drawn" >> beam.ParDo(Keep(locations.join(job.work, TRAIN)))
    fitted = gathered(kept, "All drawn") | "Fit" >> beam.ParDo(FitBaselines(job, models))
    return fitted | "Keep fitted" >> beam.ParDo(Keep(job.work))


def _outputs(label: TrainedLabel, parts: list[ScoredPart], summaries: list[Summary]) -> dict[str, ModelOutput]:
    """Decide over all rows whether each model returns logits."""
    declared: dict[str, ModelOutput] = {CANDIDATE: label.output}
    fault, champion = champion_of(parts)
    if champion is not None and not fault:
        declared[CHAMPION] = champion.output
    for name, output in declared.items():
        if output == "auto":
            outside = any(summary.outside[name] for summary in summaries)
            declared[name] = "logits" if outside else "probabilities"
    return declared


def _sampled(job: Job, fitted: Fitted, summaries: list[Summary], outputs: dict[str, ModelOutput]) -> ScoredRows:
    """Return the sample of rows, all of them where they are few enough, with what is known of the whole split."""
    chosen = smallest(np.concatenate([one.drawn for one in summaries]), job.config.sample_rows)
    parts, start = [], 0
    for one in summaries:
        first, last = np.searchsorted(chosen, [start, start + len(one.drawn)])
        mine = chosen[first:last] - start
        parts.append(one.sample if len(mine) == len(one.drawn) else one.sample.take(mine))
        start += len(one.drawn)
    weights = [one.weight for one in summaries if one.weight is not None]
    population = Population(
        rows=sum(one.rows for one in summaries),
        seed=job.config.seed,
        not_finite={name: sum(one.not_finite[name, output] for one in summaries) for name, output in outputs.items()},
        weight=sum(weights) if weights else None,
        slices={features: added(one.slices[features] for one in summaries) for features in summaries[0].slices},
    )
    return replace(combined(summaries[0].label, fitted, parts, outputs), population=population)


def _with_tfma(runner: Runner, job: Job, rows: ScoredRows, load: LoadScored, folder: Path) -> ScoredRows:
    """Add TFMA's metrics of all rows; none where the rows cannot be evaluated, or are all here to be summed up."""
    spec, population = job.config.evaluation_spec, rows.population
    assert population is not None
    if not rows.is_sample or any(faults(spec, rows)):
        return rows
    with_champion = CHAMPION in rows.models and not population.not_finite.get(CHAMPION, 0)
    config = eval_config(spec, with_champion=with_champion, plots=True, weighted=rows.weights is not None)
    grouped = {features: grouped_rows(spec, rows, features) for features in spec.slices if features}
    kept = {
        tuple(sorted(features)): [key for key, _ in found.slices]
        for features, found in grouped.items()
        if found.left_out
    }
    numbers = [one.number for one in with_rows(placed(ExamplesManifest.read(job.examples), "eval"))]
    load = load if with_champion else load.of_candidate()

    def build(pipeline: beam.Pipeline) -> None:
        batches = distributed(pipeline, "Shards", numbers) | "Load scored rows" >> beam.ParDo(load)
        _ = batches | "TFMA" >> tfma_beam.Evaluate(config, kept, job.work)

    run(runner, build)
    metrics = tfma_beam.read(job.work, config, folder)
    return replace(rows, population=replace(population, tfma=metrics))
