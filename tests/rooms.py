"""The folders whose Python ships, from the list that the import contracts use: a new room is in every check of them."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
_ELSEWHERE = {"benchmarks": (), "localrun": ("localrun/src",)}
"""Benchmarks do not ship; the runner has a layout of its own."""
SHIPPED: tuple[str, ...] = tuple(
    folder for name in _PROJECT["tool"]["importlinter"]["root_packages"] for folder in _ELSEWHERE.get(name, (name,))
)
