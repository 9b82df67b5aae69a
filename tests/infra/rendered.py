"""The manifests as `kubectl` would apply them, rendered offline."""

import functools
import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
KUSTOMIZE = ROOT / "kustomize"
OVERLAYS = sorted(path.parent.name for path in KUSTOMIZE.glob("overlays/*/kustomization.yaml"))
COMPONENTS = sorted(path.parent.name for path in KUSTOMIZE.glob("components/*/kustomization.yaml"))
Object = dict[str, Any]
CHECKS = ROOT / ".venv-checks" / "bin"


def needs_program(name: str) -> pytest.MarkDecorator:
    """Skip where a program of the dependency group `checks` is not installed."""
    missing = not (CHECKS / name).exists()
    return pytest.mark.skipif(missing, reason=f"{name} is not installed: `make test` installs it into .venv-checks")


needs_kubectl = pytest.mark.skipif(
    shutil.which("kubectl") is None, reason="kubectl is not installed: manifests cannot be rendered (mlops doctor)"
)


def _rendered(folder: Path) -> str:
    ran = subprocess.run(["kubectl", "kustomize", str(folder)], capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "deprecated" not in ran.stderr, ran.stderr
    return ran.stdout


def _objects(text: str) -> list[Object]:
    """Read objects; each call's are the caller's own."""
    return list(yaml.load_all(text, Loader=yaml.CSafeLoader))


_rendered_once = functools.cache(_rendered)


def render(folder: Path) -> list[Object]:
    """Return the objects of a kustomization."""
    return _objects(_rendered_once(folder))


def overlay(name: str) -> list[Object]:
    """Return an overlay's objects."""
    return render(KUSTOMIZE / "overlays" / name)


@functools.cache
def _rendered_with(name: str) -> str:
    """Render a folder in which the base stands with one component more than the kind overlay has."""
    with tempfile.TemporaryDirectory(prefix="kustomize-") as temporary:
        folder = Path(temporary) / "kustomize"
        shutil.copytree(KUSTOMIZE, folder)
        written = {"kind": "Kustomization", "resources": ["../kind"], "components": [f"../../components/{name}"]}
        (folder / "overlays" / "with").mkdir()
        (folder / "overlays" / "with" / "kustomization.yaml").write_text(json.dumps(written))
        return _rendered(folder / "overlays" / "with")


def with_component(name: str) -> list[Object]:
    """Return the kind overlay's objects with one component more."""
    return _objects(_rendered_with(name))


def of_kind(objects: list[Object], kind: str) -> list[Object]:
    """Return the objects of one kind."""
    return [item for item in objects if item["kind"] == kind]


def named(objects: list[Object], kind: str, name: str, namespace: str = "ml-in-production") -> Object:
    """Return the one object of a kind and name."""
    [found] = [
        item
        for item in of_kind(objects, kind)
        if item["metadata"]["name"] == name and item["metadata"].get("namespace") == namespace
    ]
    return found
