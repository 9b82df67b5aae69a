"""Platform sections: where and how a pod is placed is no business of this runner; what changes a task's result is."""

from localrun.errors import UnsupportedPipeline
from localrun.section import Section

PLACEMENT = frozenset(
    {
        "activeDeadlineSeconds",
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


def check_platforms(section: Section) -> None:
    """Accept Kubernetes settings that only place a pod; UnsupportedPipeline names any other."""
    if "singlePlatformSpecs" in section:
        for single in section.list_of_sections("singlePlatformSpecs"):
            single.ignore("platform")
            _check_single(single)
    if "platforms" in section:
        for _, single in section.named("platforms"):
            _check_single(single)


def _check_single(single: Section) -> None:
    deployment = single.section("deploymentSpec")
    for _, executor in deployment.named("executors"):
        for key in executor.values:
            if key not in PLACEMENT:
                raise UnsupportedPipeline(f"{executor.where}: {key!r} is not supported; a task on this machine has no pod to set it on")
    deployment.end()
    single.ignore("platform", "pipelineConfig")
    if single.raw("pipelineConfig"):
        raise UnsupportedPipeline(f"{single.where}: 'pipelineConfig' is not supported")
    single.end()
