"""The laptop's warm workers: what they import, whether they outlive a run, where they are found, and how they end."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import localrun
from core.errors import UsageError
from core.images import image
from core.store import Store
from core.user_code import ROOT
from localrun.hosts.lasting import LastingProcess, processes, stop

VARIABLE = "MLOPS_WARM"
MINUTES = 15.0
"""How long they wait for the next run."""
FOLDER = "warm"
"""In a store, with their sockets."""
Worker = LastingProcess

_CLOUD_STORAGE = ("GOOGLE_APPLICATION_CREDENTIALS", "STORAGE_EMULATOR_HOST")
"""Variables with which steps reach a store at `gs://`: the name of a file and an address, no secrets."""
_SIGNATURES = ("MLOPS_SIGNING_KEY", "MLOPS_TRUSTED_KEYS")
"""Variables with the paths of the keys that model versions are signed and checked with."""
_MODELS = "pydantic.root_model"
"""Makes the first model, for which pydantic looks through all installed packages."""
_VALIDATION, _TRANSFORM = "tensorflow_data_validation", "tensorflow_transform.beam"
_SDK = "adapters.kfp_sdk"
"""Leaves out what the SDK imports for submissions."""
_TENSORFLOW = (
    _SDK,
    "kfp.dsl.executor_main",
    _MODELS,
    "pyarrow_hotfix",
    "pyarrow.dataset",
    "tensorflow",
    _VALIDATION,
    _TRANSFORM,
    "tensorflow_model_analysis",
    "matplotlib.backends.backend_svg",
)
PRELOAD = {
    image("data"): (
        _SDK,
        "kfp.dsl.executor_main",
        _MODELS,
        "pyarrow_hotfix",
        "pyarrow.parquet",
        "tfx_bsl.coders.example_coder",
    ),
    # The same for both, so that one process serves them.
    image("serving"): _TENSORFLOW,
    image("tfx"): _TENSORFLOW,
}
"""Image -> modules that its warm worker imports once, in this order; see benchmarks/ for what that saves."""
EARLY = {
    "compute_statistics": _VALIDATION,
    "validate_data": _VALIDATION,
    "transform_features": _TRANSFORM,
    "train_model": _TRANSFORM,
}
"""Stage -> the module that it needs last: it starts while the worker imports those after it."""

_FIRST = "ingest_examples"
"""The stage that most runs begin with, after one whose result is found."""


def environments_of_images(store: Store) -> dict[str, localrun.Environment]:
    """Map every image to this interpreter; a worker does not depend on what stages can import."""
    in_cloud_storage = store.objects.startswith("gs://")
    variables = {name: os.environ[name] for name in _CLOUD_STORAGE if in_cloud_storage and os.environ.get(name)}
    variables |= {name: os.path.abspath(os.environ[name]) for name in _SIGNATURES if os.environ.get(name)}  # noqa: PTH100 - a link may change its target
    imports = {file.parent.name: f"components.{file.parent.name}.logic" for file in ROOT.glob("components/*/logic.py")}
    return {
        name: localrun.Environment(
            python=Path(sys.executable),
            cwd=ROOT,
            preload=preload,
            early={stage: module for stage, module in EARLY.items() if module in preload},
            imports=imports,
            variables=variables,
            lock=ROOT / "uv.lock",
        )
        for name, preload in PRELOAD.items()
    }


def lasting(store: Store, environment: Mapping[str, str]) -> localrun.Lasting | None:
    """Read MLOPS_WARM: `off`, `on`, or the minutes that workers wait; None where a run ends its workers, as in CI.

    UsageError for any other value.
    """
    value = environment.get(VARIABLE, "").strip().lower()
    if value == "off" or (not value and environment.get("CI", "").lower() not in ("", "0", "false")):
        return None
    try:
        minutes = MINUTES if value in ("", "on") else float(value)
    except ValueError:
        minutes = 0.0
    if not 0 < minutes < 10_000:
        raise UsageError(f"{VARIABLE}: wanted off, on, or a number of minutes such as 30, got {value!r}")
    return localrun.Lasting(store.root / FOLDER, idle=minutes * 60)


def waiting(store: Store) -> list[Worker]:
    """List the workers that live, the one that was used last first."""
    return processes(store.root / FOLDER)


def end(store: Store, seconds: float = 10.0) -> list[Worker]:
    """Have all workers leave; return those that serve a run, and leave when it ends."""
    return stop(store.root / FOLDER, seconds)


def started(store: Store, environment: Mapping[str, str]) -> localrun.Hosts:
    """Return the workers of a run, which begin before the command line's own imports.

    Those of a store's first run, which has no cached results, import what they preload. Those that wait from a run
    before are connected, and one imports the code of the first stage.
    """
    kept = lasting(store, environment)
    hosts = localrun.Hosts(kept)
    waits = kept is not None and any(kept.folder.glob("*.sock"))
    if waits or not store.compiled.exists():
        for name, one in environments_of_images(store).items():
            host = hosts.get(one, executes=True)
            if waits and name == image("data"):
                host.foresee(_FIRST, one.imports[_FIRST], {})
    return hosts
