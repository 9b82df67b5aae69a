"""A compiled pipeline as frozen values: exactly what the runner understands and nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from localrun.spec.cel import Expression


class ParameterType(StrEnum):
    """The parameter types of the pipeline spec that this runner passes on."""

    INTEGER = "NUMBER_INTEGER"
    DOUBLE = "NUMBER_DOUBLE"
    STRING = "STRING"
    BOOLEAN = "BOOLEAN"
    LIST = "LIST"
    STRUCT = "STRUCT"
    FINAL_STATUS = "TASK_FINAL_STATUS"
    """How an earlier task ended, as a mapping; kfp's executor makes a PipelineTaskFinalStatus of it."""


@dataclass(frozen=True)
class ParameterDef:
    """A declared parameter; `default` counts only where `has_default`."""

    type: ParameterType
    optional: bool = False
    has_default: bool = False
    default: Any = None


@dataclass(frozen=True)
class ArtifactDef:
    """A declared artifact with its type, such as `system.Dataset` `0.0.1`."""

    schema_title: str
    schema_version: str
    optional: bool = False
    metadata: Mapping[str, Any] = field(default_factory=dict)
    is_list: bool = False


@dataclass(frozen=True)
class Constant:
    """A value written in the pipeline; a string may hold placeholders."""

    value: Any


@dataclass(frozen=True)
class FromInput:
    """An input of the surrounding group; `fields` lead to a part of its value."""

    name: str
    fields: tuple[str, ...] = ()


@dataclass(frozen=True)
class FromTask:
    """An output of a task of the same group."""

    task: str
    key: str
    fields: tuple[str, ...] = ()


@dataclass(frozen=True)
class FinalStatus:
    """How a task of the same group ended."""

    task: str


ParameterSource = Constant | FromInput | FromTask | FinalStatus
ArtifactSource = FromInput | FromTask


@dataclass(frozen=True)
class Retry:
    """How often a failed task is tried again, and how long to wait before; durations in seconds."""

    count: int = 0
    backoff: float = 0.0
    factor: float = 2.0
    longest: float = 3600.0

    def delay(self, failures: int) -> float:
        """Seconds to wait after so many failures."""
        # A large exponent overflows a float long before a pipeline retries that often.
        return min(self.backoff * self.factor ** min(failures - 1, 64), self.longest)


@dataclass(frozen=True)
class Loop:
    """Runs a group once per item, each time with the item as the input `item`."""

    item: str
    constants: tuple[Any, ...]
    source: str
    """The input of the task that holds the items; empty where they are constants."""
    of_artifacts: bool
    limit: int
    """How many iterations may be under way at the same time; 0 is any number."""


@dataclass(frozen=True)
class Task:
    """One node of a group."""

    name: str
    component: str
    parameters: Mapping[str, ParameterSource]
    artifacts: Mapping[str, ArtifactSource]
    after: tuple[str, ...]
    cache: bool | None
    condition: Expression | None
    retry: Retry
    cache_key: str = ""
    """What the pipeline's author adds to the key of its result: another text, another result."""
    always: bool = False
    """Whether it runs however the tasks before it ended."""
    loop: Loop | None = None

    @property
    def sources(self) -> frozenset[str]:
        """Names of the tasks of the same group that it takes something from."""
        sources = [*self.parameters.values(), *self.artifacts.values()]
        return frozenset(source.task for source in sources if isinstance(source, FromTask | FinalStatus))

    @property
    def upstream(self) -> frozenset[str]:
        """Names of the tasks of the same group that must have ended before this one can start."""
        return frozenset(self.after) | self.sources


@dataclass(frozen=True)
class Secret:
    """What a pod gets from a secret of the cluster: a variable, or files below a path."""

    name: str
    """For messages; no value of it is ever read from a cluster."""
    variable: str
    path: str
    optional: bool


@dataclass(frozen=True)
class Container:
    """A command in an image."""

    image: str
    command: tuple[str, ...]
    args: tuple[str, ...]
    variables: Mapping[str, str]
    requires: tuple[str, ...] = ()
    """Packages that the component requires, as pip writes them."""
    cpus: float = 0.0
    """Processors that the task asks for; 0 where it is not set."""
    memory: int = 0
    """Bytes of memory that the task asks for; 0 where it is not set."""
    seconds: float = 0.0
    """How long an attempt may take; 0 where the pipeline sets none."""
    accelerator: str = ""
    """What it asks for beside processors and memory."""
    secrets: tuple[Secret, ...] = ()

    @property
    def has_open_image(self) -> bool:
        """Whether the image is the value of a parameter, known only when the task has its inputs."""
        return "{{$" in self.image


@dataclass(frozen=True)
class Importer:
    """Takes something that exists already in as an artifact."""

    uri: str
    """A constant, or empty where the input parameter `uri` gives it."""
    metadata: Mapping[str, Any]


@dataclass(frozen=True)
class Dag:
    """A group of tasks; an output names its producers, the first that was not skipped counts."""

    tasks: Mapping[str, Task]
    parameters: Mapping[str, tuple[FromTask, ...]]
    artifacts: Mapping[str, tuple[FromTask, ...]]


@dataclass(frozen=True)
class Component:
    """What a task refers to: an interface and its implementation."""

    name: str
    input_parameters: Mapping[str, ParameterDef]
    input_artifacts: Mapping[str, ArtifactDef]
    output_parameters: Mapping[str, ParameterDef]
    output_artifacts: Mapping[str, ArtifactDef]
    implementation: Container | Importer | Dag


@dataclass(frozen=True)
class Pipeline:
    """A loaded pipeline; `text` is the file as it was read and `digest` the digest of its bytes."""

    name: str
    root: Component
    components: Mapping[str, Component]
    text: str
    digest: str
    chosen: tuple[tuple[str, str], ...] = ()
    """Component and image, for all images that are values of parameters; known for a run."""

    @property
    def containers(self) -> dict[str, Container]:
        """The command of each component that runs one."""
        found = {name: component.implementation for name, component in self.components.items()}
        return {name: command for name, command in found.items() if isinstance(command, Container)}

    @property
    def images(self) -> tuple[tuple[str, str], ...]:
        """Each component that runs a command, with the image it runs in; one may run in several."""
        written = [(name, command.image) for name, command in self.containers.items() if not command.has_open_image]
        return (*written, *self.chosen)
