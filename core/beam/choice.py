"""The engine of one step: by the configuration, the bytes of its input, and the memory that it may use."""

import os
import re
from collections.abc import Mapping
from typing import NamedTuple

from core.beam.memory import usable_bytes
from core.beam.settings import Beam, Runner, World

EXPANSION = 8
"""Bytes in memory per byte of compressed input; an estimate with room to spare, until benchmarks/scale.py says more."""

_LOGGED = "engine of this step: "


class Choice(NamedTuple):
    """The engine of one step, and the reason."""

    runner: Runner | None
    """None: in this process."""
    reason: str

    def __str__(self) -> str:
        return f"{self.runner.runner if self.runner else 'in this process'}: {self.reason}"


def world(environment: Mapping[str, str]) -> World:
    """Return the world of a step: Vertex AI and Kubernetes each set a variable of their own."""
    if "CLOUD_ML_PROJECT_ID" in environment:
        return "vertex"
    return "kfp" if "KUBERNETES_SERVICE_HOST" in environment else "laptop"


def choose(beam: Beam | None, input_bytes: int) -> Choice:
    """Choose the engine of a step that reads so many bytes, and log why."""
    choice = chosen(beam, input_bytes, usable_bytes(), world(os.environ))
    if beam is not None:
        # Not by a logger: where TFX's libraries are imported, its level is theirs.
        print(f"{_LOGGED}{choice}", flush=True)
    return choice


def logged(text: str) -> str:
    """Return the engine and the reason that a step's log names last; empty where it names none."""
    found = re.findall(rf"{_LOGGED}(.*)", text)
    return found[-1].strip() if found else ""


def chosen(beam: Beam | None, input_bytes: int, memory: int, where: World) -> Choice:
    """Choose the engine of a step in a world that may use so many bytes of memory."""
    if beam is None:
        return Choice(None, "there is no section beam")
    runner: Runner | None = getattr(beam, where)
    if beam.engine == "in_process":
        return Choice(None, "beam.engine is in_process")
    if beam.engine == "beam":
        return Choice(runner or Runner(), "beam.engine is beam")
    needed = input_bytes * EXPANSION
    sizes = f"{_shown(input_bytes)} of input need up to {_shown(needed)} of {_shown(memory)}"
    if needed <= memory:
        return Choice(None, sizes)
    if runner is None:
        return Choice(None, f"{sizes}, but beam.{where} has no runner")
    return Choice(runner, sizes)


def _shown(size: int) -> str:
    return f"{size / (1 << 20):,.1f} MiB"
