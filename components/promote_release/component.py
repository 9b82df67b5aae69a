"""Points the first environment to a release, when the release has what that environment demands."""

from kfp import dsl

from core.images import BASE, image


@dsl.component(base_image=BASE, target_image=image("data"))
def promote_release(
    config: dict,
    release: str,
    releases: str,
    registry: str,
    environments: str,
    submission: str,
    decision: dsl.Output[dsl.Artifact],
) -> bool:
    """Promote a release to the first environment; the next ones take it from there by `mlops release promote`.

    Returns whether that environment runs the release now.

    Args:
        config: The `promote_release` section of the use case's configuration.
        release: The release's id.
        releases: Root of the releases.
        registry: Root of the model registry.
        environments: The environments, as JSON.
        submission: Id of the submission, for the environment's log.
        decision: This gate's decision: digests, evidence, attestation.
    """
    from components.promote_release.config import Config
    from components.promote_release.logic import Stores, promote

    return promote(
        Config.model_validate(config), release, Stores(releases, registry, environments), submission, decision.path
    )
