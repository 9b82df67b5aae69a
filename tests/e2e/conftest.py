"""A road to production of its own, over real flights, small enough to be sabotaged a dozen times."""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

import localrun
from core.store import Store
from core.user_code import load, reference
from mlops.report.outcome import Outcome
from mlops.worlds.finished import run_to_end
from mlops.worlds.laptop import Laptop
from mlops.worlds.machine import workers
from mlops.worlds.world import RunRequest, WorldContext
from pipelines.config import USECASES
from pipelines.config import load as load_usecase

ROWS = 6000
WARM_MINUTES = "5"
Change = Callable[[Any], Any]


@dataclass(frozen=True)
class Fault:
    """What is broken, the task that must stop it, and a word of its answer."""

    name: str
    stops_at: str = ""
    says: str = ""
    data: Change = lambda month: month
    spans: tuple[int, ...] = (4,)
    """The months whose data is changed."""
    config: Change = lambda settings: settings
    module: str = ""
    """Code that is appended to the module."""
    reviewed: bool = False
    """Whether the privacy audit and the cards are switched on, as in flight_delay."""


HEALTHY = Fault("healthy")


@dataclass
class Road:
    """One store with warm workers, and use cases made from flight_delay."""

    root: Path
    laptop: Laptop
    months: dict[int, Any]
    store: Store = field(init=False)

    def __post_init__(self) -> None:
        self.store = Store(self.root / "home")

    def usecase(self, name: str, fault: Fault = HEALTHY, *, span: int = 4) -> Path:
        """Make a use case whose data, configuration or module has a fault; everything else is flight_delay's."""
        folder = self.root / "usecases" / name
        folder.mkdir(parents=True)
        for file in ("module.py", "schema.pbtxt"):
            shutil.copy(USECASES / "flight_delay" / file, folder / file)
        # Use cases with the same rows read the same files, so that what is computed of rows alone is computed once.
        data = folder / "data" if fault.data is not HEALTHY.data else self.root / "healthy"
        if not data.exists():
            self._write_months(data, fault)
        settings = yaml.safe_load((USECASES / "flight_delay" / "config.yaml").read_text(encoding="utf-8"))
        settings["source"] = {"pattern": str(data / "span-{SPAN}" / "flights.parquet"), "span": span}
        settings["problem"]["metrics"][0]["at_least"] = 0.60
        settings["scope_use_case"]["reference"]["baseline_value"] = 0.60
        # Cards and the privacy audit take seconds in each of these runs; the faults that they stop switch them on.
        reviews = {name: settings.pop(name) for name in ("audit_privacy", "write_cards", "push_model")}
        if fault.reviewed:
            settings |= reviews
        settings["train_model"] |= {"epochs": 4, "batch_size": 128}
        # A tenth of the flights is too few to beat a linear model for certain, or to judge a carrier from one airport.
        settings["evaluate_model"]["baselines"] = [
            {"kind": "majority"},
            {"kind": "rate_table", "keys": ["carrier", "hour"]},
        ]
        settings["evaluate_model"]["slice_thresholds"] = [{"metric": "auc", "slices": [["origin"]], "at_least": 0.52}]
        (folder / "config.yaml").write_text(yaml.safe_dump(fault.config(settings)), encoding="utf-8")
        code = (folder / "module.py").read_text(encoding="utf-8")
        (folder / "module.py").write_text(code + fault.module, encoding="utf-8")
        return folder

    def run(self, folder: Path, pipeline: str = "level1", span: int | None = None) -> Outcome:
        """Run a use case; returns what came out."""
        outcome, report = run_to_end(self.laptop, RunRequest(load_usecase(folder), pipeline, span))
        assert report.is_file()
        return outcome

    def _write_months(self, folder: Path, fault: Fault) -> None:
        for span, month in self.months.items():
            target = folder / f"span-{span}" / "flights.parquet"
            target.parent.mkdir(parents=True)
            (fault.data(month.copy()) if span in fault.spans else month).to_parquet(target, index=False)


SECRETS = {
    name: f"planted-{name.lower()}-7c1f9e"
    for name in ("DATABASE_PASSWORD", "GH_TOKEN", "GITHUB_TOKEN", "HF_TOKEN", "KFP_TOKEN", "MYSQL_ROOT_PASSWORD")
}
"""Variables of whoever starts a run, which no run asks for; test_planted_secrets.py looks for their values."""


@pytest.fixture(scope="session", autouse=True)
def _secrets_around() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SECRETS.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="session")
def months(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Any]:
    """Real flights of January to May 2013, sampled."""
    import pyarrow_hotfix  # noqa: F401 - before pyarrow
    import pandas as pd

    folder = tmp_path_factory.mktemp("flights")
    load(reference(USECASES / "flight_delay" / "data.py")).write_spans(folder)
    return {
        span: pd.read_parquet(folder / f"span-{span}" / "flights.parquet").sample(ROWS, random_state=span)
        for span in range(1, 6)
    }


class WarmLaptop(Laptop):
    """A laptop with a store of its own and the warm workers of all."""

    def __init__(self, home: Path, hosts: localrun.Hosts) -> None:
        super().__init__(WorldContext(Store(home)))
        self._hosts.close()
        self._hosts = hosts


LaptopAt = Callable[[Path], Laptop]


@pytest.fixture(scope="session")
def warm_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """The store whose warm workers all runs share, those of other processes of a parallel run too."""
    base = tmp_path_factory.getbasetemp()
    store = Store((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "main_job" / "home")
    store.root.mkdir(parents=True, exist_ok=True)
    with (store.root.parent / "users").open("w") as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        yield store
        with contextlib.suppress(BlockingIOError):  # the last one ends them
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            workers.end(store)


@pytest.fixture(scope="session")
def laptop_at(warm_store: Store) -> Iterator[LaptopAt]:
    """Open a laptop over a store; its workers import TensorFlow once for all of them."""
    with localrun.Hosts(workers.lasting(warm_store, {workers.VARIABLE: WARM_MINUTES})) as hosts:
        yield lambda home: WarmLaptop(home, hosts)


@pytest.fixture(scope="session")
def road(tmp_path_factory: pytest.TempPathFactory, laptop_at: LaptopAt, months: dict[int, Any]) -> Road:
    """A road with a champion on it, trained on the flights up to March."""
    root = tmp_path_factory.mktemp("road")
    road = Road(root, laptop_at(root / "home"), months)
    first = road.run(road.usecase("champion"), span=3)
    assert first.pushed is not None, first.headline
    return road
