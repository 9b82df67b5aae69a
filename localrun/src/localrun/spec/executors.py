"""Executors of the spec: a command in an image, or an importer."""

import json
import re

from localrun.errors import InvalidPipeline, UnsupportedPipeline
from localrun.spec.pipeline import Container, Importer
from localrun.spec.platforms import PodSettings
from localrun.spec.section import Section

_INSTALL = re.compile(r"pip install\b[^&\n]*")
_OPTION = re.compile(r"'([^']+)'|\"([^\"]+)\"")
_QUANTITY = re.compile(r"(\d{1,15}(?:\.\d{1,9})?)(m|[KMGTPE]i?|k|)")
_UNITS = {"": 1.0, "m": 1e-3, "k": 1e3} | {
    f"{u}{i}": base**n for n, u in enumerate("KMGTPE", 1) for i, base in (("", 1000.0), ("i", 1024.0))
}
_PLACEHOLDER = re.compile(r"\{\{\$\.?(.*?)\}\}", re.DOTALL)
_UNRESOLVED = "{{channel:"
_PARAMETER = re.compile(r"inputs\.parameters\[['\"]+[\w-]+['\"]+\]")
_KNOWN = re.compile(
    r"""|inputs\.parameters\[['"]+[\w-]+['"]+\]
    |inputs\.artifacts\[['"]+[\w-]+['"]+\](\.(uri|path|name|metadata(\[['"]+[^'"]+['"]+\])?))?
    |outputs\.parameters\[['"]+[\w-]+['"]+\]\.output_file
    |outputs\.artifacts\[['"]+[\w-]+['"]+\](\.(uri|path|name|metadata(\[['"]+[^'"]+['"]+\])?))?
    |outputs\.output_file|outputMetadataUri
    |pipeline_(job_name|job_resource_name|job_uuid|task_name|task_uuid|root|job_create_time_utc|job_schedule_time_utc)""",
    re.VERBOSE,
)


def executor(section: Section, pod: PodSettings) -> Container | Importer:
    """Load one executor, with what a platform sets for it.

    Raises UnsupportedPipeline for anything but a command or an importer.
    """
    if "importer" in section:
        found: Container | Importer = _importer(section.section("importer"))
    elif "container" in section:
        found = _container(section.section("container"), pod)
    else:
        raise UnsupportedPipeline(
            f"{section.where}: wanted a container or an importer, got {', '.join(section.values) or 'nothing'}"
        )
    section.end()
    return found


def check_placeholders(text: str, where: str) -> None:
    """UnsupportedPipeline names the first placeholder that this runner would not fill in."""
    if _UNRESOLVED in text:
        raise UnsupportedPipeline(
            f"{where}: kfp's compiler left {text[:80]!r} unresolved: it does not fill in an f-string inside a list or "
            "mapping; give the value to the task as an input of its own, or make the list in a task"
        )
    for inner in _PLACEHOLDER.findall(text):
        if not _KNOWN.fullmatch(inner):
            raise UnsupportedPipeline(f"{where}: the placeholder {{{{$.{inner}}}}} is not supported")


def _container(section: Section, pod: PodSettings) -> Container:
    variables = {}
    for variable in section.list_of_sections("env"):
        variables[variable.text("name")] = _fixed(variable.text("value"), variable.text("name"), section.where)
        variable.end()
    if section.section("lifecycle").values:
        raise UnsupportedPipeline(f"{section.where}: 'lifecycle' is not supported")
    command = section.texts("command")
    resources = section.section("resources")
    accelerator = _accelerator(resources)
    cpus, memory = _resources(resources)
    found = Container(
        section.text("image"),
        command,
        section.texts("args"),
        variables,
        _installs(command),
        cpus,
        memory,
        pod.seconds,
        accelerator,
        pod.secrets,
    )
    section.end()
    if not found.image:
        raise InvalidPipeline(f"{section.where}.image: wanted an image, got nothing")
    for inner in _PLACEHOLDER.findall(found.image):
        if not _PARAMETER.fullmatch(inner):
            raise UnsupportedPipeline(
                f"{section.where}.image: the placeholder {{{{$.{inner}}}}} is not supported; an image may be the value "
                "of an input parameter"
            )
    for text in (*found.command, *found.args):
        _check_argument(text, section.where)
    return found


def _fixed(value: str, name: str, where: str) -> str:
    """Return the value of a variable; UnsupportedPipeline where it is known only in the run."""
    if _PLACEHOLDER.search(value) or _UNRESOLVED in value:
        raise UnsupportedPipeline(
            f"{where}.env.{name}: the variable has the value {value[:80]!r}, which a cluster hands on as it stands; "
            "give the value to the task as an input"
        )
    return value


def _check_argument(text: str, where: str) -> None:
    if not text.startswith(('{"Concat": ', '{"IfPresent": ')):
        check_placeholders(text, where)
        return
    try:
        json.loads(text)
    except ValueError:
        raise InvalidPipeline(f"{where}: {text[:60]!r} is no placeholder") from None
    check_placeholders(text.replace('\\"', '"'), where)


def _installs(command: tuple[str, ...]) -> tuple[str, ...]:
    """Return the packages that a Python component requires, without kfp, which every environment has."""
    if not any("kfp.dsl.executor_main" in part for part in command):
        return ()
    lines = _INSTALL.findall("\n".join(command[:4]))
    options = [one or other for line in lines for one, other in _OPTION.findall(line)]
    return tuple(
        name for name in options if not name.startswith("-") and not re.match(r"(kfp|typing-extensions)\b(?!-)", name)
    )


def _accelerator(section: Section) -> str:
    """Return what kind of accelerator a task asks for; empty for none."""
    asked = section.section("accelerator")
    return asked.text("resourceType") or asked.text("type") or ("an accelerator" if asked.values else "")


def _resources(section: Section) -> tuple[float, int]:
    """Return the CPUs and bytes of memory that a task requests, else its limit; 0 where the run decides."""
    # A limit is what a task must not exceed; what is reserved for it is the request, as on a cluster.
    cpus = [_asked(section, "resourceCpu", "cpu", 1.0, kind) for kind in ("Request", "Limit")]
    memory = [_asked(section, "resourceMemory", "memory", 1e9, kind) for kind in ("Request", "Limit")]
    section.end()
    return cpus[0] or cpus[1], int(memory[0] or memory[1])


def _asked(section: Section, key: str, old_key: str, unit: float, kind: str) -> float:
    """Read one amount: as text, or as older compilers wrote it, as a number."""
    text, number = section.text(f"{key}{kind}"), section.number(f"{old_key}{kind}")
    return _quantity(text) or number * unit


def _quantity(text: str) -> float:
    """Read an amount as Kubernetes writes it, such as 500m or 1Gi; one that is known only in the run is 0."""
    match = _QUANTITY.fullmatch(text)
    return float(match[1]) * _UNITS[match[2]] if match else 0.0


def _importer(section: Section) -> Importer:
    uri = section.section("artifactUri")
    constant = uri.text("constant")
    uri.ignore("runtimeParameter")
    if "://" in constant and not constant.startswith("file://"):
        raise UnsupportedPipeline(
            f"{uri.where}: importing {constant!r} is not supported; wanted a path or file:// on this machine"
        )
    kind = section.section("typeSchema")
    kind.ignore("schemaTitle", "schemaVersion")
    section.flag("reimport")  # the content is read in every run, so there is nothing to choose
    found = Importer(constant, section.data("metadata", {}))
    for inner in (uri, kind, section):
        inner.end()
    return found
