"""Evaluates on Beam: workers load the models once, score, and measure; what comes back does not grow with the rows.

One pipeline draws the rows that baselines are fitted on, fits those on a worker, scores the eval split, and measures it
when it is known which outputs are logits and which slices are the largest: skills, gains and plots on a sample of the
rows, all of them where they are few enough, and TFMA's metrics by sums of all rows.
"""

from pathlib import Path

import pyarrow_hotfix  # noqa: F401
import apache_beam as beam
import matplotlib.figure  # noqa: F401 - workers are forks of this process
import sklearn.linear_model  # noqa: F401
from apache_beam.utils.shared import Shared

from adapters.beam_run import run
from adapters.beam_work import distributed, gathered, seen_by_workers, work_folder
from artifacts.evaluation import tfma_output
from artifacts.evaluation.eval_config import eval_config
from artifacts.evaluation.result import EvaluationResult, with_tfma
from artifacts.evaluation.slices import SliceKey
from artifacts.evaluation.spec import CHAMPION
from artifacts.examples.manifest import ExamplesManifest
from artifacts.predictions.placed_shard import placed, with_rows
from artifacts.predictions.row_sample import bound
from artifacts.predictions.split import Splits
from components.evaluate_model.beam_measuring import (
    DECIDED,
    GROUPS,
    METRICS,
    NUMBERS,
    PLOTS,
    AddUp,
    Decide,
    Decided,
    Measure,
    SliceMetrics,
)
from components.evaluate_model.beam_scoring import FITTED, DrawRows, FitBaselines, Job, ScoreShard
from components.evaluate_model.config import Config
from components.evaluate_model.fitting import needs_training_rows
from components.evaluate_model.measured import Measured
from components.evaluate_model.scored_parts import Fitted
from core.beam.settings import Runner


def measured_with_beam(
    runner: Runner, config: Config, splits: Splits, folders: tuple[Path, Path | None], made: Path
) -> Measured:
    """Fit the baselines, score and measure the eval split; TFMA's files are written to the folder `made`.

    `folders` are those of the candidate and the champion.
    """
    candidate, champion = folders
    with work_folder(runner, made) as work:
        job = Job(
            config=config,
            schema=splits.schema.SerializeToString(),
            examples=seen_by_workers(runner, splits.folder, "the examples"),
            candidate=seen_by_workers(runner, candidate, "the model"),
            champion=None if champion is None else seen_by_workers(runner, champion, "the champion"),
            first=splits.first("eval"),
            work=work,
            is_sampled=ExamplesManifest.read(splits.folder).records("eval") > config.sample_rows,
        )
        compute(runner, job)
        decided: Decided = job.kept(DECIDED)
        result: EvaluationResult = job.kept(NUMBERS)
        if decided.models:
            result = _with_tfma(job, decided, result, made)
        return Measured(decided.label, decided.scored, result, job.kept(PLOTS))


def compute(runner: Runner, job: Job) -> None:
    """Run the pipeline, which leaves its results in the work folder."""
    manifest = ExamplesManifest.read(job.examples)
    found = placed(manifest, "eval")
    limit, models = bound(job.config.sample_rows, manifest.records("eval")), Shared()
    # The sample is measured by one worker, and its plots are drawn by another one.
    measured = [NUMBERS, PLOTS, *(str(one.number) for one in with_rows(found))]
    if not needs_training_rows(job.config):
        job.keep(Fitted(), FITTED)

    def build(pipeline: beam.Pipeline) -> None:
        fitted = _fitted(pipeline, job, models) if needs_training_rows(job.config) else None
        scored = distributed(pipeline, "Shards", found, fitted) | "Score" >> beam.ParDo(ScoreShard(job, models, limit))
        decided = gathered(scored, "All scored") | "Decide" >> beam.ParDo(Decide(job))
        sums = distributed(pipeline, "Scored", measured, decided) | "Measure" >> beam.ParDo(Measure(job))
        _ = sums | "Sums of a slice" >> beam.GroupByKey() | "Add up" >> beam.ParDo(AddUp(job))

    run(runner, build)


def _fitted(pipeline: beam.Pipeline, job: Job, models: Shared) -> beam.PCollection:
    """Draw rows of the train split, and fit the baselines on them; one element comes when those are kept."""
    manifest = ExamplesManifest.read(job.examples)
    draw = DrawRows(job, models, bound(job.config.baseline_examples, manifest.records("train")))
    drawn = distributed(pipeline, "Train shards", placed(manifest, "train")) | "Draw" >> beam.ParDo(draw)
    return gathered(drawn, "All drawn") | "Fit" >> beam.ParDo(FitBaselines(job, models))


def _with_tfma(job: Job, decided: Decided, result: EvaluationResult, folder: Path) -> EvaluationResult:
    """Add TFMA's metrics, and write its files."""
    found: dict[SliceKey, SliceMetrics] = {}
    for group in range(min(GROUPS, len(decided.slices))):
        found |= job.kept(METRICS, str(group))
    spec, weighted = job.config.evaluation_spec, job.config.weight is not None
    config = eval_config(spec, with_champion=CHAMPION in decided.models, plots=True, weighted=weighted)
    tfma_output.write(folder, config, (found[one.key].messages for one in result.slices))
    return with_tfma(result, {key: one.numbers for key, one in found.items()})
