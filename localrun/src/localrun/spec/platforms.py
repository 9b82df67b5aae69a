"""Platform sections: placement of pods is ignored, a time limit is kept, and what would change a result is refused."""

from collections.abc import Iterator
from dataclasses import dataclass

from localrun.errors import UnsupportedPipeline
from localrun.spec.pipeline import Secret
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


@dataclass(frozen=True)
class PodSettings:
    """What a platform's document sets for one executor, as far as it means something here."""

    seconds: float = 0.0
    """How long one attempt may take; 0 where nothing says it."""
    secrets: tuple[Secret, ...] = ()


def pod_settings(section: Section) -> dict[str, PodSettings]:
    """Return the settings of each executor, where a platform says something.

    Settings that only place a pod are accepted; UnsupportedPipeline names any other.
    """
    singles = [*(single for _, single in section.named("platforms")), *section.list_of_sections("singlePlatformSpecs")]
    return dict(found for single in singles for found in _settings(single))


def _settings(single: Section) -> Iterator[tuple[str, PodSettings]]:
    deployment = single.section("deploymentSpec")
    for label, executor in deployment.named("executors"):
        seconds = float(executor.integer("activeDeadlineSeconds"))
        yield label, PodSettings(seconds, (*_variables(executor), *_files(executor)))
        executor.ignore(*PLACEMENT)
        executor.end("; a task on this machine has no pod to set it on")
    deployment.end()
    single.ignore("platform", "pipelineConfig")
    if single.raw("pipelineConfig"):
        raise UnsupportedPipeline(f"{single.where}: 'pipelineConfig' is not supported")
    single.end()


def _variables(executor: Section) -> Iterator[Secret]:
    for secret in executor.list_of_sections("secretAsEnv"):
        for key in secret.list_of_sections("keyToEnv"):
            yield Secret(f"{_name(secret)}/{key.text('secretKey')}", key.text("envVar"), "", secret.flag("optional"))
            key.end()
        secret.end()


def _files(executor: Section) -> Iterator[Secret]:
    for secret in executor.list_of_sections("secretAsVolume"):
        yield Secret(_name(secret), "", secret.text("mountPath"), secret.flag("optional"))
        secret.end()


def _name(secret: Section) -> str:
    """Return a secret's name for messages; one that is a parameter by the parameter's name."""
    source = secret.section("secretNameParameter")
    constant = source.section("runtimeValue").raw("constant")
    return secret.text("secretName") or str(constant or source.text("componentInputParameter") or "named by a task")
