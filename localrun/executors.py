"""Executors of the spec: a command in an image, or an importer."""

import json
import re

from localrun.errors import InvalidPipeline, UnsupportedPipeline
from localrun.section import Section
from localrun.spec import Container, Importer

_INSTALL = re.compile(r"pip install\b[^&\n]*")
_OPTION = re.compile(r"'([^']+)'|\"([^\"]+)\"")
_PLACEHOLDER = re.compile(r"\{\{\$\.?(.*?)\}\}", re.DOTALL)
_KNOWN = re.compile(
    r"""|inputs\.parameters\[['"]+[\w-]+['"]+\]
    |inputs\.artifacts\[['"]+[\w-]+['"]+\](\.(uri|path|name|metadata(\[['"]+[^'"]+['"]+\])?))?
    |outputs\.parameters\[['"]+[\w-]+['"]+\]\.output_file
    |outputs\.artifacts\[['"]+[\w-]+['"]+\](\.(uri|path|name|metadata(\[['"]+[^'"]+['"]+\])?))?
    |outputs\.output_file|outputMetadataUri
    |pipeline_(job_name|job_resource_name|job_uuid|task_name|task_uuid|root|job_create_time_utc|job_schedule_time_utc)""",
    re.VERBOSE,
)


def executor(section: Section) -> Container | Importer:
    """Load one executor; UnsupportedPipeline names what it asks for beyond a command or an importer."""
    if "importer" in section:
        found: Container | Importer = _importer(section.section("importer"))
    elif "container" in section:
        found = _container(section.section("container"))
    else:
        raise UnsupportedPipeline(f"{section.where}: wanted a container or an importer, got {', '.join(section.values) or 'nothing'}")
    section.end()
    return found


def check_placeholders(text: str, where: str) -> None:
    """UnsupportedPipeline names the first placeholder that this runner would not fill in."""
    for inner in _PLACEHOLDER.findall(text):
        if not _KNOWN.fullmatch(inner):
            raise UnsupportedPipeline(f"{where}: the placeholder {{{{$.{inner}}}}} is not supported")


def _container(section: Section) -> Container:
    variables = {}
    for variable in section.list_of_sections("env"):
        variables[variable.text("name")] = variable.text("value")
        variable.end()
    resources = section.section("resources")
    if resources.values.get("accelerator"):
        raise UnsupportedPipeline(f"{resources.where}: accelerators are not supported")
    if section.section("lifecycle").values:
        raise UnsupportedPipeline(f"{section.where}: 'lifecycle' is not supported")
    found = Container(section.text("image"), section.texts("command"), section.texts("args"), variables, _memory(resources))
    section.end()
    if not found.image:
        raise InvalidPipeline(f"{section.where}.image: wanted an image, got nothing")
    for text in (*found.command, *found.args):
        _check_argument(text, section.where)
    _check_installs(found, section.where)
    return found


def _memory(resources: Section) -> int:
    """Bytes of memory that a task asks for or is limited to; the spec has them as a number of gigabytes."""
    said = (resources.values.get(name) for name in ("memoryRequest", "memoryLimit"))
    return next((int(value * 1e9) for value in said if isinstance(value, int | float) and value > 0), 0)


def _check_argument(text: str, where: str) -> None:
    if not text.startswith(('{"Concat": ', '{"IfPresent": ')):
        check_placeholders(text, where)
        return
    try:
        json.loads(text)
    except ValueError:
        raise InvalidPipeline(f"{where}: {text[:60]!r} is no placeholder") from None
    check_placeholders(text.replace('\\"', '"'), where)


def _check_installs(container: Container, where: str) -> None:
    """A lightweight component installs kfp, which every environment has; anything else would change the environment."""
    if not any("kfp.dsl.executor_main" in part for part in container.command):
        return
    for line in _INSTALL.findall("\n".join(container.command[:4])):
        options = [one or other for one, other in _OPTION.findall(line)]
        wanted = [name for name in options if not name.startswith("-") and not re.match(r"(kfp|typing-extensions)\b(?!-)", name)]
        if wanted:
            raise UnsupportedPipeline(f"{where}: packages_to_install={wanted} is not supported; install them into the environment of {container.image!r}")


def _importer(section: Section) -> Importer:
    uri = section.section("artifactUri")
    kind = section.section("typeSchema")
    kind.ignore("schemaTitle", "schemaVersion")
    section.ignore("reimport")
    found = Importer(str(uri.raw("constant") or ""), section.data("metadata", {}))
    uri.ignore("runtimeParameter")
    for inner in (uri, kind, section):
        inner.end()
    return found
