"""From examples to one evaluated candidate."""

from typing import Any, NamedTuple

from kfp import dsl

from core.images import image
from core.worker_jobs.job import IMAGE
from pipelines import splits
from pipelines.config import UseCase
from pipelines.segments.parts import Candidate, Data, InProduction
from pipelines.segments.traced import run, run_if_configured, run_with

_TRAINING_TOO = ("constrain_model", "distill_model", "search_model")
"""Stages that train as the section `train_model` says."""


class Prepared(NamedTuple):
    """What a model is trained on."""

    schema: Any
    """Reference of the curated schema, or the schema of the selected features."""
    examples: dsl.Dataset
    graph: dsl.Artifact
    """The transform graph."""


def candidate(usecase: UseCase, data: Data, in_production: InProduction) -> Candidate:
    """Transform, train and evaluate, after the data was validated."""
    prepared = prepared_data(usecase, data)
    model, earlier = _model(usecase, prepared, in_production)
    evaluated = run(
        usecase,
        "evaluate_model",
        schema=prepared.schema,
        examples=prepared.examples,
        model=model,
        **in_production._asdict(),
    )
    return Candidate(prepared.examples, model, evaluated, earlier)


def prepared_data(usecase: UseCase, data: Data) -> Prepared:
    """Transform the examples; where features are selected, once more with those alone."""
    schema, module, examples = usecase.schema_file, usecase.module, data.examples
    transformed = run(usecase, "transform_features", module=module, schema=schema, examples=examples)
    if data.validated is not None:
        transformed.after(data.validated)
    graph = transformed.outputs["transform_graph"]
    selected = run_if_configured(
        usecase, "select_features", module=module, schema=schema, examples=examples, transform_graph=graph
    )
    if selected is None or usecase.configured("select_features").apply != "within_loss":
        return Prepared(schema, examples, graph)
    chosen = selected.outputs["Output"]
    again = run(usecase, "transform_features", module=module, schema=chosen, examples=examples)
    return Prepared(chosen, examples, again.outputs["transform_graph"])


def _model(
    usecase: UseCase, prepared: Prepared, in_production: InProduction
) -> tuple[dsl.Model, tuple[dsl.PipelineTask, ...]]:
    """Make the one model that is evaluated and may be pushed; return it with the gates that decided about it."""
    model = _trained(usecase, prepared, in_production)
    if usecase.has("constrain_model"):
        model = _made(usecase, "constrain_model", prepared, plain=model)
    if not usecase.has("compress_model"):
        return model, ()
    config = config_with(usecase, "compress_model", usecase.section("compress_model"))
    compressed = run_with(usecase, "compress_model", config, **_sources(usecase, prepared), trained=model)
    return compressed.outputs["model"], (compressed,)


def _trained(usecase: UseCase, prepared: Prepared, in_production: InProduction) -> dsl.Model:
    """Train; where configured, tune first, search families beside that model, and distill a small one."""
    model = None
    if not usecase.has("search_model") or usecase.configured("search_model").module:
        section: Any = usecase.section("train_model")
        if usecase.has("tune_model") and usecase.configured("tune_model").in_training:
            section = tuned_model(usecase, prepared, in_production.registry).outputs["Output"]
        trained = run_with(usecase, "train_model", section, **_sources(usecase, prepared), **in_production._asdict())
        if usecase.configured("train_model").distribution is not None:
            trained.set_env_variable(IMAGE, image("tfx"))  # compiling replaces it as it replaces the step's own
        model = trained.outputs["model"]
    if usecase.has("search_model"):
        own: dict[str, Any] = {} if model is None else {"trained": model}
        model = _made(usecase, "search_model", prepared, **own)
    return _made(usecase, "distill_model", prepared, plain=model) if usecase.has("distill_model") else model


def tuned_model(usecase: UseCase, prepared: Prepared, registry: str) -> dsl.PipelineTask:
    """Search hyperparameters, with the first trials as tasks of their own where that is configured.

    Raises ConfigError where the window holds back no span to compare them on.
    """
    splits.check_trained_spans(usecase.ingest_examples.window, "tune_model", usecase.folder / "config.yaml")
    sections = {name: usecase.section(name) for name in ("tune_model", "train_model")}
    sources = _sources(usecase, prepared)
    if not usecase.configured("tune_model").in_tasks:
        return run_with(usecase, "tune_model", sections, registry=registry, **sources)
    training = usecase.configured("train_model")
    drawn = usecase.configured("tune_model").drawn(training.epochs, training.seed)
    at_once = usecase.configured("train_trial").at_once
    with dsl.ParallelFor(drawn, name="trials", parallelism=at_once or None) as trial:
        tried = run_with(usecase, "train_trial", usecase.section("train_model"), trial=trial, **sources)
    finished = dsl.Collected(tried.outputs["outcome"])
    return run_with(usecase, "tune_model", sections, registry=registry, trials=finished, **sources)


def _made(usecase: UseCase, stage: str, prepared: Prepared, **inputs: Any) -> dsl.Model:
    """Trace a stage that makes a model, or passes on the one it is given; `train_model` says how models are trained."""
    config = config_with(usecase, stage, usecase.section(stage))
    return run_with(usecase, stage, config, **_sources(usecase, prepared), **inputs).outputs["model"]


def config_with(usecase: UseCase, stage: str, section: dict[str, Any]) -> dict[str, Any]:
    """Return the parameter `config` of a stage whose own section is `section`: some are given other sections, too."""
    if stage == "compress_model":
        training = usecase.section("train_model")
        return {"compression": section, "training": training, "evaluation": _compared(usecase)}
    if stage in _TRAINING_TOO:
        return {stage: section, "train_model": usecase.section("train_model")}
    return section


def _sources(usecase: UseCase, prepared: Prepared) -> dict[str, Any]:
    return {
        "module": usecase.module,
        "schema": prepared.schema,
        "examples": prepared.examples,
        "transform_graph": prepared.graph,
    }


def _compared(usecase: UseCase) -> dict[str, Any]:
    """Return what a compressed model is compared by; another threshold of the evaluation does not compress again."""
    section = usecase.section("evaluate_model")
    found = {name: section[name] for name in ("slices", "min_slice_examples", "max_slices", "decision_threshold")}
    if usecase.has("measure_fairness"):
        fairness = usecase.section("measure_fairness")
        found |= {"groups": fairness["groups"], "rates": sorted({rule["rate"] for rule in fairness["gaps"]})}
    return found
