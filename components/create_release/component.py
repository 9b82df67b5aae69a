"""Creates a release: one record of what was built and of the model that passed, with its evidence."""

from kfp import dsl

from core.images import BASE, image


@dsl.component(base_image=BASE, target_image=image("data"))
def create_release(
    config: dict,
    pushed: dsl.Input[dsl.Artifact],
    evidence: dsl.Input[dsl.Artifact],
    build: str,
    releases: str,
    submission: str,
    release: dsl.Output[dsl.Artifact],
) -> str:
    """Write the record of a release to the store of releases.

    Returns its id: the digest of the record.

    Args:
        config: The `create_release` section of the use case's configuration.
        pushed: The version that `push_model` published.
        evidence: The gates' decisions about it, from `collect_evidence`.
        build: What was built, as JSON: commit, compiled pipeline, configuration, images, SBOMs.
        releases: Root of the releases.
        submission: Id of the submission that the model comes from.
        release: The record, as JSON.
    """
    from components.create_release.config import Config
    from components.create_release.logic import Candidate, create

    candidate = Candidate.at(pushed.path, evidence.path, submission)
    return create(Config.model_validate(config), build, candidate, releases, release.path)
