"""`mlops doctor`: checks whether this machine is ready and the store intact, and prints a fix for each problem."""

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import click

from core.finding import Finding
from core.store import Store
from mlops.cli.at import ChosenWorld, at_world

GIB = 2**30
PINNED = (
    "apache-beam",
    "keras",
    "kfp",
    "ml-metadata",
    "numpy",
    "pandas",
    "protobuf",
    "pyarrow",
    "pyarrow-hotfix",
    "tensorflow",
    "tensorflow-data-validation",
    "tensorflow-model-analysis",
    "tensorflow-transform",
    "tf-keras",
    "tfx",
    "tfx-bsl",
)
"""Packages that work together only in the versions of the lock file."""


@click.command()
@at_world()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def doctor(store: Store, *, chosen: ChosenWorld, as_json: bool) -> None:
    """Check this machine and the store, or with --at vertex the deployment; each problem comes with its fix.

    Returns 1 when something is wrong that a run needs.
    """
    checks = list(deployment() if chosen.at == "vertex" else examine(store))
    broken = show(checks, as_json=as_json)
    if not as_json:
        click.secho(
            f"\n{len(broken)} of {len(checks)} checks need a fix." if broken else "\nReady.",
            fg="red" if broken else "green",
            bold=True,
        )
    sys.exit(1 if broken else 0)


def show(checks: Sequence[Finding], *, as_json: bool) -> list[Finding]:
    """Print checks, each with its fix, and return those that are required and failed."""
    from mlops.cli.main import print_json

    broken = [check for check in checks if check.required and not check.ok]
    if as_json:
        print_json({"ok": not broken, "checks": [asdict(check) for check in checks]})
    else:
        for check in checks:
            _print(check)
    return broken


def examine(store: Store) -> Iterator[Finding]:
    """Run every check; none of them changes anything."""
    from core.user_code import ROOT

    yield python(sys.version_info[:3])
    yield libc(*platform.libc_ver())
    yield processors(len(os.sched_getaffinity(0)))
    yield memory(available_memory())
    yield disk(store.root)
    yield packages(ROOT / "uv.lock")
    yield hotfix()
    yield writable(store.root)
    yield databases(store.root)
    yield registry(store.registry)
    yield leftovers(store.root)
    yield warm_workers(store)
    yield from cluster_tools(os.environ)


def deployment() -> Iterator[Finding]:
    """Check the deployment on Google Cloud that MLOPS_DEPLOYMENT names."""
    from mlops.worlds.vertex.checks import examine as examine_deployment

    yield from examine_deployment(dict(os.environ))


def python(version: tuple[int, ...]) -> Finding:
    """Check the interpreter: the TFX 1.16 family and this lock file need Python 3.11."""
    found = ".".join(map(str, version))
    return Finding(
        "python",
        version[:2] == (3, 11),
        found,
        "" if version[:2] == (3, 11) else "run `make setup`, which installs Python 3.11; then run mlops from .venv/bin",
    )


def libc(name: str, version: str) -> Finding:
    """Check the C library that the wheels are built for."""
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    ok = name == "glibc" and numbers >= (2, 17)
    return Finding(
        "glibc",
        ok,
        f"{name or 'no glibc'} {version}".strip(),
        "" if ok else "use Linux with glibc 2.17 or later: Debian, Ubuntu, Fedora, or a container of one",
    )


def processors(count: int) -> Finding:
    """Check the number of CPUs that this process may use."""
    return Finding(
        "cpus",
        count >= 2,
        str(count),
        "" if count >= 2 else "a run works with one, in about twice the time",
        required=False,
    )


def memory(bytes_free: int) -> Finding:
    """Check the free memory against what a run on the whole year needs."""
    ok = bytes_free >= 3 * GIB
    return Finding(
        "memory",
        ok,
        f"{bytes_free / GIB:.1f} GiB free",
        "" if ok else "close programs, or raise the container's limit, until 3 GiB are free",
        required=bytes_free < 1.5 * GIB,
    )


def available_memory() -> int:
    """Return the bytes that can be allocated within the machine's memory and the container's limit."""
    facts = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines())
    free = int(facts["MemAvailable"].split()[0]) * 1024
    limit, used = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
    if limit.is_file() and used.is_file() and (text := limit.read_text(encoding="ascii").strip()) != "max":
        free = min(free, int(text) - int(used.read_text(encoding="ascii")))
    return free


def disk(root: Path, wanted: int = 2 * GIB) -> Finding:
    """Check the free disk space of the store; a run on the whole year writes a few hundred megabytes."""
    free = shutil.disk_usage(_nearest(root)).free
    ok = free >= wanted
    return Finding(
        "disk",
        ok,
        f"{free / GIB:.1f} GiB free at {root}",
        "" if ok else f"free {(wanted - free) / GIB:.1f} GiB, or set MLOPS_HOME to a folder on a larger disk",
    )


def packages(lock: Path) -> Finding:
    """Check the installed versions against the lock file."""
    import tomllib

    fix = "run `make setup`, or `uv sync --frozen`"
    try:
        listed = tomllib.loads(lock.read_text(encoding="utf-8"))["package"]
        locked = {package["name"]: package["version"] for package in listed if package["name"] in PINNED}
    except (OSError, ValueError, KeyError) as error:
        return Finding("packages", False, f"{lock} cannot be read: {error}", "git checkout uv.lock")
    differences = [_difference(name, version) for name, version in locked.items()]
    wrong = [difference for difference in differences if difference]
    return Finding("packages", not wrong, "; ".join(wrong) or f"{len(PINNED)} as locked", fix if wrong else "")


def _difference(name: str, wanted: str) -> str:
    try:
        got = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return f"{name} is missing, wanted {wanted}"
    return "" if got == wanted else f"{name} is {got}, wanted {wanted}"


def hotfix(module: str = "pyarrow_hotfix") -> Finding:
    """Check that the fix of CVE-2023-47248, which pyarrow 10 has, is installed."""
    ok = importlib.util.find_spec(module) is not None
    return Finding(
        "pyarrow_hotfix", ok, "importable" if ok else "missing", "" if ok else "run `make setup`, or `uv sync --frozen`"
    )


def writable(root: Path) -> Finding:
    """Check that the store can be written, by writing a temporary file."""
    import tempfile

    folder = _nearest(root)
    try:
        with tempfile.TemporaryFile(dir=folder) as stream:
            stream.write(b"x")
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        mode = f"{folder.stat().st_mode & 0o7777:04o}"
        return Finding(
            "store",
            False,
            f"{folder}: {error.strerror} (mode {mode}, this process runs as user {os.geteuid()})",
            f"chmod u+rwx {folder}, or set MLOPS_HOME to a folder of yours",
        )
    return Finding("store", True, f"{root} can be written")


def databases(root: Path) -> Finding:
    """Check the SQLite files of the store with SQLite's own `quick_check`."""
    import sqlite3

    bad = []
    files = sorted(root.glob("*.sqlite"))
    for path in files:
        try:
            with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
                result = connection.execute("pragma quick_check(1)").fetchone()[0]
            if result != "ok":
                bad.append(f"{path}: {result}")
        except sqlite3.Error as error:
            bad.append(f"{path}: {error}")
    fix = "move the named file away; models and manifests do not depend on it, and the next run creates a new one"
    return Finding("databases", not bad, "; ".join(bad) or f"{len(files)} intact", fix if bad else "")


def registry(root: str) -> Finding:
    """Check the files of every version against its manifest, and the pointers; fails when the store is unreachable."""
    from core.backends.registry import open_registry
    from core.errors import StoreError

    found = open_registry(root)
    try:
        bad: list[str] = []
        count = 0
        for name in found.names():
            count += len(found.versions(name))
            bad += [f"{name}: {problem}" for problem in found.problems(name) if ".staging-" not in problem]
    except StoreError as error:
        return Finding("models", False, str(error), "fix that, or unset MLOPS_STORE to use this machine's own models")
    fix = (
        "run `mlops models rollback NAME` if that version is in production, then remove its folder "
        "and push the model again"
    )
    return Finding("models", not bad, "; ".join(bad) or f"{count} versions intact", fix if bad else "")


def leftovers(root: Path) -> Finding:
    """Look for staging files of processes that were killed."""
    found = sorted(path for pattern in (".staging-*", "*/.staging-*", "*/*/.staging-*") for path in root.glob(pattern))
    observed = f"{len(found)}, such as {found[0]}" if found else "none"
    return Finding(
        "leftovers",
        not found,
        observed,
        "harmless; the next run or push there removes them" if found else "",
        required=False,
    )


def warm_workers(store: Store) -> Finding:
    """Name the workers that outlived a run."""
    from mlops.worlds.machine.workers import waiting

    found = waiting(store)
    size = sum(worker.memory for worker in found) / GIB
    observed = f"{len(found)} wait for the next run with {size:.1f} GiB; `mlops workers stop` ends them"
    return Finding("warm workers", True, observed if found else "none", required=False)


def cluster_tools(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Check Docker, kind and kubectl as `mlops cluster up` does; a run on this machine needs none of them."""
    from mlops.cluster.programs.commands import Commands
    from mlops.cluster.programs.tools import examine

    for check in examine(Commands(environment)):
        yield replace(check, required=False, fix=check.fix and f"only make deploy-local needs it: {check.fix}")


def _nearest(path: Path) -> Path:
    return next(folder for folder in (path, *path.parents) if folder.exists())


def _print(check: Finding) -> None:
    word, colour = ("ok", "green") if check.ok else ("fix", "red") if check.required else ("note", "yellow")
    click.echo(f"{click.style(f'{word:>4}', fg=colour)}  {check.name:<15} {check.found}")
    if check.fix:
        click.echo(f"{'':21} -> {check.fix}")
