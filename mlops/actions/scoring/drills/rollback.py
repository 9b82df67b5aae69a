"""Rolls copies of the version in production back and forth in a registry of their own."""

import json
import shutil
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from core.backends import manifest
from core.backends.local_registry import LocalRegistry
from core.backends.registry import ModelVersion
from core.errors import MlopsError

ROUNDS = 20


class Rolled(NamedTuple):
    """What happened."""

    rounds: int
    failed: int
    slowest: float
    """Seconds."""


def drill(version: ModelVersion) -> Rolled:
    """Publish the version and a copy that differs, promote the copy and roll it back, many times."""
    failed, slowest = 0, 0.0
    with tempfile.TemporaryDirectory(prefix="rollback-") as temporary:
        registry, copies = LocalRegistry(Path(temporary) / "models"), Path(temporary) / "copies"
        numbers = []
        for number in (1, 2):
            folder = copies / str(number)
            shutil.copytree(version.path, folder, ignore=shutil.ignore_patterns(manifest.FILE))
            extra = folder / "assets.extra" / "drill.json"
            extra.parent.mkdir(exist_ok=True)
            extra.write_text(json.dumps({"copy": number}), encoding="utf-8")
            numbers.append(registry.publish(version.name, folder, {}).version)
        first, second = numbers
        registry.promote(version.name, first)
        for _ in range(ROUNDS):
            try:
                registry.promote(version.name, second)
                began = time.perf_counter()
                back = registry.rollback(version.name)
                slowest = max(slowest, time.perf_counter() - began)
                failed += back.version != first
            except MlopsError:
                failed += 1
    return Rolled(ROUNDS, failed, slowest)
