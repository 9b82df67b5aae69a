"""A run that predicts is pinned to one version and to the rows that it reads, when it is submitted."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from core.backends.registry import open_registry
from core.errors import RegistryError, UsageError
from core.store import Store
from mlops.worlds.pinned import pin
from mlops.worlds.sources import stage_sources
from mlops.worlds.world import RunRequest
from pipelines.config import USECASES, load

FLIGHT_DELAY = USECASES / "flight_delay"


@pytest.fixture(scope="module")
def imports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What every stage imports: reading all of the code takes longer than a test."""
    store = Store(tmp_path_factory.mktemp("imports"))
    stage_sources(store)
    return store.root / "imports.json"


@pytest.fixture
def store(tmp_path: Path, imports: Path) -> Store:
    store = Store(tmp_path / "home")
    store.root.mkdir()
    shutil.copy(imports, store.root)
    for span in (1, 2):
        folder = store.data / "flight_delay" / f"span-{span}"
        folder.mkdir(parents=True)
        (folder / "flights.parquet").write_text(f"span {span}")
    return store


def publish(store: Store, *contents: str) -> list[str]:
    registry = open_registry(store.registry)
    published = []
    for content in contents:
        folder = store.root / content
        folder.mkdir(parents=True)
        (folder / "saved_model.pb").write_text(content)
        published.append(registry.publish("flight_delay", folder, {}).reference)
    return published


def request(tmp_path: Path, **infer_bulk: Any) -> RunRequest:
    folder = tmp_path / "usecase"
    folder.mkdir(exist_ok=True)
    for name in ("module.py", "schema.pbtxt", "flights.py"):
        (folder / name).write_bytes((FLIGHT_DELAY / name).read_bytes())
    settings = yaml.safe_load((FLIGHT_DELAY / "config.yaml").read_text(encoding="utf-8"))
    (folder / "config.yaml").write_text(yaml.safe_dump(settings | {"infer_bulk": infer_bulk}), encoding="utf-8")
    return RunRequest(load(folder), "inference", "2")


def test_the_version_is_the_champion_or_the_one_that_is_asked_for(store: Store, tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="no model in production yet"):
        pin(request(tmp_path), store)
    first, second = publish(store, "one", "two")
    open_registry(store.registry).promote("flight_delay", 1)
    pinned = pin(request(tmp_path), store)
    assert pinned.parameters["model"] == first
    assert set(pinned.parameters) == {"source", "span", "data", "model", "registry"}
    open_registry(store.registry).promote("flight_delay", 2)
    assert pinned.parameters["model"] == first
    assert pin(request(tmp_path), store).parameters["model"] == second
    configured = request(tmp_path, version=1)
    assert pin(configured, store).parameters["model"] == first
    assert pin(replace(configured, version=2), store).parameters["model"] == second


def test_the_rows_are_one_span_or_files_without_one(store: Store, tmp_path: Path) -> None:
    publish(store, "one")
    open_registry(store.registry).promote("flight_delay", 1)
    assert pin(request(tmp_path), store).parameters["span"] == 2, "no window before it is wanted"
    file = tmp_path / "rows.parquet"
    file.write_text("rows")
    asked = replace(request(tmp_path, source=str(file)), span=None)
    parameters = pin(asked, store).parameters
    assert (parameters["source"], parameters["span"]) == (str(file), 0)
    file.write_text("other rows")
    assert pin(asked, store).parameters["data"] != parameters["data"]
    with pytest.raises(UsageError, match="has no span, so --span is not for it"):
        pin(replace(asked, span="2"), store)


def test_a_pipeline_that_trains_takes_no_version(store: Store, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="takes no --version"):
        pin(replace(request(tmp_path), pipeline="level0", version=1), store)
