"""Platform sections: placement of pods is ignored, a time limit is kept, and what would change a result is refused."""

from collections.abc import Iterator

from localrun.errors import UnsupportedPipeline
from localrun.spec.section import Section

PLACEMENT = frozenset(
    {
        "imagePullPolicy",
        "imagePullSecret",
        "nodeAffinity",
        "nodeSelector",
        "podAffinity",
        "podMetadata",
        "securityContext",
        "tolerations",
    }
)


def time_limits(section: Section) -> dict[str, float]:
    """Return the seconds that one attempt of each executor may take, where a platform says so.

    Settings that only place a pod are accepted; UnsupportedPipeline names any other.
    """
    singles = [*(single for _, single in section.named("platforms")), *section.list_of_sections("singlePlatformSpecs")]
    return dict(limit for single in singles for limit in _limits(single))


def _limits(single: Section) -> Iterator[tuple[str, float]]:
    deployment = single.section("deploymentSpec")
    for label, executor in deployment.named("executors"):
        seconds = executor.integer("activeDeadlineSeconds")
        if seconds > 0:
            yield label, float(seconds)
        executor.ignore(*PLACEMENT)
        executor.end("; a task on this machine has no pod to set it on")
    deployment.end()
    single.ignore("platform", "pipelineConfig")
    if single.raw("pipelineConfig"):
        raise UnsupportedPipeline(f"{single.where}: 'pipelineConfig' is not supported")
    single.end()
