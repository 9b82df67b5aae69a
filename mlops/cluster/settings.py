"""The settings of the local cluster, read once from the environment."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import UsageError, did_you_mean

PULL_POLICIES = ("IfNotPresent", "Never", "Always")
MANIFESTS = "https://github.com/kubeflow/pipelines/manifests/kustomize?ref=2.17.0&timeout=120s"
_QUANTITY = re.compile(r"\d+(\.\d+)?(m|[kMGT]i?)?")
_UNITS = {"h": 3600, "m": 60, "s": 1}


@dataclass(frozen=True)
class Variable:
    """One environment variable: its name, its default, and its meaning."""

    name: str
    default: str
    meaning: str


VARIABLES = (
    Variable("MLOPS_KIND_CLUSTER", "ml-in-production", "the kind cluster's name; one that exists is used as it is"),
    Variable(
        "MLOPS_KIND_NODE_IMAGE",
        "",
        "the node's image; not set: the newest kindest/node of the local Docker, else kind's own default",
    ),
    Variable(
        "MLOPS_KFP_MANIFESTS",
        MANIFESTS,
        "Kubeflow Pipelines' manifests/kustomize: an address with ?ref=, a local folder, or a checkout that holds it",
    ),
    Variable("MLOPS_KFP_ENV", "platform-agnostic", "the folder below env/ of those manifests"),
    Variable(
        "MLOPS_KFP_CPU_REQUEST",
        "auto",
        "most CPU that a container of Kubeflow Pipelines reserves: auto (20m on less than 4 CPUs), keep, or a quantity",
    ),
    Variable(
        "MLOPS_IMAGE_OVERRIDES",
        "",
        "other images: OLD=NEW,... or a YAML file of them; an OLD/ with a slash at its end is a prefix",
    ),
    Variable("MLOPS_PULL_POLICY", "IfNotPresent", "imagePullPolicy of every container: IfNotPresent, Never or Always"),
    Variable(
        "MLOPS_NETWORK_POLICIES",
        "on",
        "off leaves out this project's NetworkPolicies, for a cluster whose network treats replies as new traffic",
    ),
    Variable("MLOPS_PORT_UI", "18080", "port of this machine for Kubeflow Pipelines' pages; 0: none"),
    Variable("MLOPS_PORT_SERVER", "18501", "port of this machine for the model server; 0: none"),
    Variable("MLOPS_SERVER_CPU", "", "CPU that the model server reserves, such as 250m; not set: as in kustomize/"),
    Variable("MLOPS_SERVER_MEMORY", "", "memory that the model server gets, such as 1Gi; not set: as in kustomize/"),
    Variable("MLOPS_DEADLINE_KIND", "10m", "for the cluster to run, its node's image pulled"),
    Variable("MLOPS_DEADLINE_LOAD", "15m", "for images of the local Docker to be on the node"),
    Variable("MLOPS_DEADLINE_KFP", "10m", "for Kubeflow Pipelines to be ready"),
    Variable("MLOPS_DEADLINE_IMAGES", "45m", "for this project's images to be built and on the node"),
    Variable("MLOPS_DEADLINE_SERVER", "5m", "for the model server to run"),
)
"""Every variable that is read; DOCKER_HOST, DOCKER_CONFIG and KUBECONFIG reach docker, kind and kubectl as they are."""


@dataclass(frozen=True)
class Deadlines:
    """Seconds that each step may take."""

    kind: float
    load: float
    kfp: float
    images: float
    server: float


@dataclass(frozen=True)
class ClusterSettings:
    """The values of `VARIABLES`, checked."""

    name: str
    node_image: str
    manifests: str
    environment: str
    cpu_request: str
    overrides: Mapping[str, str]
    pull_policy: str
    has_policies: bool
    ui_port: int
    server_port: int
    server_cpu: str
    server_memory: str
    deadlines: Deadlines

    @property
    def context(self) -> str:
        """Return the name under which kind writes the cluster into the kubeconfig."""
        return f"kind-{self.name}"


def read(environment: Mapping[str, str]) -> ClusterSettings:
    """Read all settings; an empty variable counts as not set.

    Raises UsageError, which names the variable, for a value that cannot be used.
    """
    values = variable_values(environment)
    return ClusterSettings(
        name=_matching(
            values,
            "MLOPS_KIND_CLUSTER",
            re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?"),
            "lower-case letters, digits, - and .",
        ),
        node_image=values["MLOPS_KIND_NODE_IMAGE"],
        manifests=values["MLOPS_KFP_MANIFESTS"],
        environment=values["MLOPS_KFP_ENV"],
        cpu_request=_matching(
            values,
            "MLOPS_KFP_CPU_REQUEST",
            re.compile(rf"auto|keep|{_QUANTITY.pattern}"),
            "auto, keep or a quantity such as 20m",
        ),
        overrides=_overrides(values["MLOPS_IMAGE_OVERRIDES"]),
        pull_policy=_one_of(values, "MLOPS_PULL_POLICY", PULL_POLICIES),
        has_policies=_one_of(values, "MLOPS_NETWORK_POLICIES", ("on", "off")) == "on",
        ui_port=_port(values, "MLOPS_PORT_UI"),
        server_port=_port(values, "MLOPS_PORT_SERVER"),
        server_cpu=_matching(
            values, "MLOPS_SERVER_CPU", re.compile(rf"({_QUANTITY.pattern})?"), "a quantity such as 250m"
        ),
        server_memory=_matching(
            values, "MLOPS_SERVER_MEMORY", re.compile(rf"({_QUANTITY.pattern})?"), "a quantity such as 1Gi"
        ),
        deadlines=Deadlines(
            **{step: parse_duration(values[variable], variable) for step, variable in _deadline_variables().items()}
        ),
    )


def variable_values(environment: Mapping[str, str]) -> dict[str, str]:
    """Return every variable's value, or its default."""
    return {variable.name: environment.get(variable.name) or variable.default for variable in VARIABLES}


def parse_duration(text: str, variable: str) -> float:
    """Parse a duration such as 90s, 10m or 1h30m into seconds; UsageError, which names the variable, otherwise."""
    parts = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?", text)
    total = (
        sum(int(number or 0) * size for number, size in zip(parts.groups(), _UNITS.values(), strict=True))
        if parts
        else 0
    )
    if total <= 0:
        raise UsageError(f"{variable}: wanted a duration such as 90s, 10m or 1h30m, got {text!r}")
    return float(total)


def format_duration(duration: float) -> str:
    """Format a duration in seconds as `parse_duration` reads it."""
    left = round(duration)
    parts = []
    for unit, size in _UNITS.items():
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def _deadline_variables() -> dict[str, str]:
    prefix = "MLOPS_DEADLINE_"
    return {
        variable.name.removeprefix(prefix).lower(): variable.name
        for variable in VARIABLES
        if variable.name.startswith(prefix)
    }


def _matching(values: Mapping[str, str], variable: str, pattern: re.Pattern[str], wanted: str) -> str:
    if not pattern.fullmatch(values[variable]):
        raise UsageError(f"{variable}: wanted {wanted}, got {values[variable]!r}")
    return values[variable]


def _one_of(values: Mapping[str, str], variable: str, known: tuple[str, ...]) -> str:
    if values[variable] not in known:
        raise UsageError(
            f"{variable}: wanted one of {', '.join(known)}, got {values[variable]!r}"
            f"{did_you_mean(values[variable], known)}"
        )
    return values[variable]


def _port(values: Mapping[str, str], variable: str) -> int:
    text = values[variable]
    if not text.isdigit() or int(text) > 65535:
        raise UsageError(f"{variable}: wanted a port from 1 to 65535, or 0 for none, got {text!r}")
    return int(text)


def _overrides(text: str) -> dict[str, str]:
    """Read OLD=NEW pairs, or the YAML file that holds them."""
    if text and "=" not in text:
        return _overrides_file(Path(text).expanduser())
    pairs = [pair.strip().partition("=") for pair in text.split(",") if pair.strip()]
    if wrong := [f"{old}{sign}{new}" for old, sign, new in pairs if not old or not new]:
        raise UsageError(f"MLOPS_IMAGE_OVERRIDES: wanted OLD=NEW,OLD=NEW or the name of a YAML file, got {wrong[0]!r}")
    return {old.strip(): new.strip() for old, _, new in pairs}


def _overrides_file(path: Path) -> dict[str, str]:
    import yaml  # noqa: PLC0415 - only who names a file needs it

    try:
        content: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise UsageError(f"MLOPS_IMAGE_OVERRIDES: {path} cannot be read as YAML: {error}") from error
    is_mapping = isinstance(content, dict)
    if not is_mapping or not all(isinstance(old, str) and isinstance(new, str) for old, new in content.items()):
        raise UsageError(f"MLOPS_IMAGE_OVERRIDES: {path}: wanted lines such as `old: new`, one per image")
    return dict(content)
