"""The gates that a candidate passes after its evaluation, and the evidence that they leave."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any

from kfp import dsl

from pipelines import gates, stages
from pipelines.config import UseCase
from pipelines.segments.parts import Candidate, Evidence
from pipelines.segments.traced import run, run_if_configured

SLOTS = ("first", "second", "third", "fourth")
"""Inputs of one task of `collect_evidence`, for a decision each."""
REVIEWS: tuple[str, ...] = ("explain_model", "measure_fairness", "audit_privacy")
"""Optional stages that review a candidate, with some of the inputs that `reviewed` has and an output `decision`."""

_MEASURED = {"fairness": "measure_fairness", "explanations": "explain_model"}
"""Input of `write_cards` -> the review whose output of that name it is."""


def served(usecase: UseCase, candidate: Candidate) -> dsl.PipelineTask | None:
    """Send real requests to a real server of the candidate, unless the configuration leaves that gate out."""
    evaluation = candidate.evaluated.outputs["evaluation"]
    return run_if_configured(usecase, "validate_infra", model=candidate.model, evaluation=evaluation)


def reviewed(usecase: UseCase, candidate: Candidate) -> dict[str, dsl.PipelineTask]:
    """Trace the optional gates that review an evaluated candidate, beside each other; by stage, in a fixed order."""
    inputs = {
        "schema": usecase.schema_file,
        "examples": candidate.examples,
        "model": candidate.model,
        "evaluation": candidate.evaluated.outputs["evaluation"],
    }
    tasks: dict[str, dsl.PipelineTask] = {}
    for stage in REVIEWS:
        wanted = stages.component(stage).component_spec.inputs
        task = run_if_configured(usecase, stage, **{name: inputs[name] for name in inputs if name in wanted})
        if task is not None:
            tasks[stage] = task
    return tasks


def if_passed(usecase: UseCase, gate: dsl.PipelineTask | None, name: str) -> Any:
    """Open a branch that runs when a gate passes; a gate that is waived or left out stops nothing."""
    if gate is None or gates.stage_of(gate) in usecase.configured("push_model").waives:
        return nullcontext()
    return dsl.If(gate.outputs["Output"] == True, name=name)  # noqa: E712 - traced into the compiled condition


def collected(usecase: UseCase, **asked: dsl.PipelineTask | None) -> Evidence:
    """Collect the decisions of gates, in as many chained tasks as they need.

    Each keyword is the decision's name in the evidence; a gate that decides once in the pipeline has its own name.
    """
    decided = {name: task for name, task in asked.items() if task is not None}
    artifact = None
    for start in range(0, len(decided), len(SLOTS)):
        names = list(decided)[start : start + len(SLOTS)]
        decisions = {slot: decided[name].outputs["decision"] for slot, name in zip(SLOTS, names, strict=False)}
        earlier: dict[str, object] = {} if artifact is None else {"earlier": artifact}
        artifact = run(usecase, "collect_evidence", names=names, **decisions, **earlier).outputs["evidence"]
    return Evidence(artifact, tuple(gates.stage_of(task) for task in decided.values()))


def asked(usecase: UseCase, candidate: Candidate) -> None:
    """Ask every gate about a candidate, whatever the others decide: a person pushes it by their decisions, or not."""
    infra = served(usecase, candidate)
    reviews = reviewed(usecase, candidate)
    if usecase.has("write_cards"):
        evidence = collected(usecase, evaluate_model=candidate.evaluated, validate_infra=infra, **reviews)
        cards(usecase, candidate, evidence, reviews)


def cards(
    usecase: UseCase, candidate: Candidate, evidence: Evidence, reviews: dict[str, dsl.PipelineTask]
) -> dsl.PipelineTask:
    """Write the cards of a candidate from what was measured, and from the decisions of all gates before."""
    measured = {name: reviews[stage].outputs[name] for name, stage in _MEASURED.items() if stage in reviews}
    return run(
        usecase,
        "write_cards",
        examples=candidate.examples,
        model=candidate.model,
        evaluation=candidate.evaluated.outputs["evaluation"],
        evidence=evidence.artifact,
        **measured,
    )


def with_cards(usecase: UseCase, evidence: Evidence, written: dsl.PipelineTask) -> Evidence:
    """Add the cards, and the decision about them, to the evidence, so that they travel with the model."""
    added = run(
        usecase,
        "collect_evidence",
        names=["write_cards"],
        first=written.outputs["decision"],
        earlier=evidence.artifact,
        cards=written.outputs["cards"],
    )
    return Evidence(added.outputs["evidence"], (*evidence.gates, "write_cards"))


@contextmanager
def if_passed_all(usecase: UseCase, candidate: Candidate) -> Iterator[Evidence]:
    """Open a branch that runs when the evaluated candidate passes every gate, also as a server; yield the evidence."""
    with ExitStack() as branches:
        for gate in candidate.earlier:
            branches.enter_context(if_passed(usecase, gate, name=gates.stage_of(gate).replace("_", "-")))
        branches.enter_context(if_passed(usecase, candidate.evaluated, name="blessed"))
        infra = served(usecase, candidate)
        reviews = reviewed(usecase, candidate)
        branches.enter_context(if_passed(usecase, infra, name="servable"))
        for stage, review in reviews.items():
            branches.enter_context(if_passed(usecase, review, name=stage.replace("_", "-")))
        earlier = {gates.stage_of(gate): gate for gate in candidate.earlier}
        decided = {"evaluate_model": candidate.evaluated, "validate_infra": infra, **earlier, **reviews}
        evidence = collected(usecase, **decided)
        if usecase.has("write_cards"):
            written = cards(usecase, candidate, evidence, reviews)
            branches.enter_context(if_passed(usecase, written, name="write-cards"))
            evidence = with_cards(usecase, evidence, written)
        yield evidence
