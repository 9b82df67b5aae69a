"""What stood for the images in a run, written down so that resuming it needs no other words."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from localrun.environments.environment import Environment
from localrun.errors import LocalrunError


def written(environments: Mapping[str, Environment]) -> str:
    """Return JSON of all plain environments; of their variables only the names, since values may be secrets."""
    return json.dumps({name: _fields(e) for name, e in environments.items() if type(e) is Environment}, indent=2)


def read(path: Path) -> dict[str, Environment]:
    """Undo `written`; empty where there is no file. LocalrunError where a variable's value would be missing."""
    if not path.is_file():
        return {}
    found: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    for name, fields in found.items():
        if fields["variables"]:
            raise LocalrunError(
                f"the environment {name!r} had the variables {', '.join(fields['variables'])}, whose values are not "
                "recorded; give the environments of the run"
            )
    return {name: _environment(fields) for name, fields in found.items()}


def _fields(environment: Environment) -> dict[str, Any]:
    sources = environment.sources
    return {
        "cwd": str(Path(environment.cwd).absolute()),
        "python": str(environment.python),
        "preload": list(environment.preload),
        "early": dict(environment.early),
        "imports": dict(environment.imports),
        "variables": sorted(environment.variables),
        "sources": None if sources is None else {name: [str(path) for path in sources[name]] for name in sources},
        "holds_folder": environment.holds_folder,
        "lock": str(environment.lock) if environment.lock else "",
    }


def _environment(fields: Mapping[str, Any]) -> Environment:
    sources = fields["sources"]
    return Environment(
        cwd=Path(fields["cwd"]),
        python=Path(fields["python"]),
        preload=tuple(fields["preload"]),
        early=fields.get("early", {}),
        imports=fields.get("imports", {}),
        sources=None if sources is None else {name: tuple(map(Path, sources[name])) for name in sources},
        holds_folder=fields["holds_folder"],
        lock=Path(fields["lock"]) if fields["lock"] else None,
    )
