"""From a candidate with its evidence to a version in production, or a release."""

from kfp import dsl

from pipelines import gates
from pipelines.config import UseCase
from pipelines.segments.parts import Candidate, Delivery, Destination, Evidence
from pipelines.segments.traced import run


def pushed(usecase: UseCase, candidate: Candidate, evidence: Evidence, destination: Destination) -> dsl.PipelineTask:
    """Publish the candidate and make it the champion.

    Raises ConfigError when the evidence lacks a gate that `push_model.requires` names, or has one that it does not.
    """
    gates.check_asked(usecase.configured("push_model"), evidence.gates, usecase.folder / "config.yaml")
    return run(
        usecase,
        "push_model",
        name=usecase.name,
        model=candidate.model,
        evidence=evidence.artifact,
        examples=candidate.examples,
        **destination._asdict(),
    )


def released(
    usecase: UseCase, pushed: dsl.PipelineTask, evidence: Evidence, delivery: Delivery, destination: Destination
) -> dsl.PipelineTask:
    """Create a release of the pushed version and promote it to the first environment.

    The promotion is never taken from the cache: somebody may have moved the environment since.
    """
    created = run(
        usecase,
        "create_release",
        pushed=pushed.outputs["pushed"],
        evidence=evidence.artifact,
        build=delivery.build,
        releases=delivery.releases,
        submission=destination.submission,
    )
    promoted = run(
        usecase,
        "promote_release",
        release=created.outputs["Output"],
        releases=delivery.releases,
        registry=destination.registry,
        environments=delivery.environments,
        submission=destination.submission,
    )
    return promoted.set_caching_options(False)
