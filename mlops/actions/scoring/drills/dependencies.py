"""Changes copies of what a run depends on, and compares what is installed with the lock file."""

import sysconfig
import tomllib
from importlib import metadata

from core import digest
from core.errors import MlopsError
from mlops.actions.scoring.drills.outcome import Outcome
from mlops.actions.scoring.subject import Subject
from mlops.worlds.sources import code_files

_LOCK = "uv.lock"


def drill(subject: Subject) -> Outcome:
    """Change one byte of each file that the run's code digest covers, one after the other; each must change it."""
    if subject.run is None:
        return Outcome(None, "no run", subject.run_command)
    try:
        found = code_files(subject.run.folder / "pipeline.yaml", subject.store)
    except MlopsError as error:
        return Outcome(None, str(error), subject.run_command)
    digests = {name: digest.of_file(path) for name, path in found.items()}
    if _LOCK not in digests:
        return Outcome(False, f"{_LOCK} is not covered", "add the lock file to the code of a run")
    before = digest.of_named(digests)
    unnoticed = [name for name in digests if digest.of_named(digests | {name: "sha256:changed"}) == before]
    if unnoticed:
        return Outcome(False, f"{unnoticed[0]} is not covered", "mend core.digest")
    return Outcome(True, f"{len(digests)} files, {_LOCK} among them")


def not_as_locked(subject: Subject) -> tuple[str, ...] | None:
    """Return packages whose installed version is another one than the lock file's; None without a lock file."""
    path = subject.root / _LOCK
    if not path.is_file():
        return None
    locked: dict[str, set[str]] = {}
    for package in tomllib.loads(path.read_text(encoding="utf-8"))["package"]:
        if "registry" in package.get("source", {}):
            locked.setdefault(package["name"], set()).add(package["version"])
    differing = []
    # Of this environment: setuptools, once imported, adds its own copies of packages to the search path.
    for one in metadata.distributions(path=[sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]):
        name = (one.metadata["Name"] or "").lower().replace("_", "-").replace(".", "-")
        if name in locked and one.version not in locked[name]:
            differing.append(f"{name} {one.version}")
    return tuple(sorted(differing))
