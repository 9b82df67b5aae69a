"""Beam's flags for a runner of the configuration, and the packages that its workers install."""

from collections.abc import Sequence
from pathlib import Path

from core.beam import code_wheel
from core.beam.settings import Option, Runner


def flags(runner: Runner, packages: Sequence[Path] = ()) -> list[str]:
    """Return the command line that `PipelineOptions` reads; options of the configuration come last and win."""
    found = [f"--runner={runner.runner}"]
    if runner.runner == "DirectRunner":
        mode = "multi_processing" if runner.workers > 1 else "in_memory"
        found += [f"--direct_running_mode={mode}", f"--direct_num_workers={runner.workers}"]
    found += [f"--extra_package={package}" for package in packages]
    for name, value in sorted(runner.options.items()):
        found += _flag(name, value)
    return found


def packages(runner: Runner, folder: Path, use_case: Path | None) -> list[Path]:
    """Write the wheels that workers need to a folder; none where they have the code already."""
    if runner.code == "image" or runner.is_local_process:
        return []
    wheels = [code_wheel.project(folder)]
    return wheels if use_case is None else [*wheels, code_wheel.use_case(folder, use_case)]


def _flag(name: str, value: Option) -> list[str]:
    if value is False:
        return []
    if value is True:
        return [f"--{name}"]
    values = value if isinstance(value, tuple) else (value,)
    return [f"--{name}={one}" for one in values]
