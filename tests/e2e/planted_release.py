"""Wires the end of the road alone: evidence from decisions that lie in files, and the push that is held to it."""

import json

from kfp import dsl

from pipelines import segments, stages
from pipelines.config import UseCase

PLAN = "release.json"
"""In the use case's folder: the paths of `model` and `examples`, of `decisions` by name, or of `evidence`."""


def release(usecase: UseCase) -> dsl.base_component.BaseComponent:
    """Wire what the plan in the use case's folder says, past the checks that a pipeline of the project goes through."""
    plan = json.loads((usecase.folder / PLAN).read_text(encoding="utf-8"))

    @dsl.pipeline(name="planted-release")
    def planted(champion: str, registry: str, submission: str) -> None:
        if "evidence" in plan:
            evidence = _imported(plan["evidence"], dsl.Artifact)
        else:
            decisions = [_imported(path, dsl.Artifact) for path in plan["decisions"].values()]
            slots = dict(zip(segments.SLOTS, decisions, strict=False))
            collected = segments.run(usecase, "collect_evidence", names=list(plan["decisions"]), **slots)
            evidence = collected.outputs["evidence"]
        segments.run(
            usecase,
            "push_model",
            name=usecase.name,
            model=_imported(plan["model"], dsl.Model),
            evidence=evidence,
            examples=_imported(plan["examples"], dsl.Dataset),
            champion=champion,
            registry=registry,
            submission=submission,
        )

    return planted


def two_evaluations(usecase: UseCase) -> dsl.base_component.BaseComponent:
    """Wire the evaluation of the plan's model, twice, the second time with a section of its own."""
    plan = json.loads((usecase.folder / PLAN).read_text(encoding="utf-8"))
    strict = usecase.section("evaluate_model") | {"confidence": 0.99}

    @dsl.pipeline(name="two-evaluations")
    def twice(champion: str, registry: str, submission: str) -> None:
        in_production = segments.InProduction(champion, registry)
        model, examples = _imported(plan["model"], dsl.Model), _imported(plan["examples"], dsl.Dataset)
        inputs = {"schema": usecase.schema_file, "examples": examples, "model": model, **in_production._asdict()}
        found = segments.Candidate(examples, model, segments.run(usecase, "evaluate_model", **inputs))
        again = stages.component("evaluate_model")(config=strict, **inputs)
        infra = segments.served(usecase, found)
        evidence = segments.collected(usecase, evaluate_model=found.evaluated, strictly=again, validate_infra=infra)
        segments.pushed(usecase, found, evidence, segments.Destination(champion, registry, submission))

    return twice


def _imported(path: str, kind: type[dsl.Artifact]) -> dsl.Artifact:
    return dsl.importer(artifact_uri=path, artifact_class=kind, reimport=True).output
