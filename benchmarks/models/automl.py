"""Our search over families beside FLAML, in one process and on the same rows; writes the tables of docs/automl.md.

    python -m benchmarks.models.automl [--usecase flight_delay] [--no-peer] [--write]

Families are trained and chosen as `search_model` does; then each is trained on all training spans and asked about the
split that evaluates, which nothing else has read. FLAML gets the transformed features as a table, its own defaults (a
random part of the rows to choose by) and a number of trials, and is asked about the same rows. It leaves a pickle.
"""

import argparse
import importlib
import importlib.machinery
import importlib.util
import sys
import tempfile
import time
import types
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.models.prepared import Circumstances, Prepared, prepare, table, write_between
from core.user_code import ROOT

PAGE = ROOT / "docs" / "automl.md"
USE_CASES = ("flight_delay", "digits", "spam")
TRIALS = (10, 50)
"""FLAML's trials; a number of seconds would make two runs differ."""
_SPLITS = ("train", "validation", "eval")


class Evaluated(NamedTuple):
    """One model on the split that evaluates."""

    name: str
    skill: float
    seconds: float


def main() -> None:
    """Measure the use cases, print the tables, and write them where asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.models.automl", description=__doc__)
    parser.add_argument("--usecase", action="append", choices=USE_CASES, help="repeatable; default: all of them")
    parser.add_argument("--no-peer", action="store_true", help="measure this program alone")
    parser.add_argument("--write", action="store_true", help="write the tables to docs/automl.md")
    asked = parser.parse_args()
    for name in asked.usecase or USE_CASES:
        circumstances = Circumstances()
        with tempfile.TemporaryDirectory(prefix="automl-") as folder:
            prepared = prepare(name, Path(folder))
            league, evaluated = _search(prepared, Path(folder))
            peers = [] if asked.no_peer else _flaml(prepared)
        text = f"{circumstances} {_page(league, evaluated, peers)}"
        print(f"{name}\n\n{text}\n", flush=True)
        if asked.write:
            write_between(PAGE, name, text)


def _search(prepared: Prepared, folder: Path) -> tuple[Any, dict[str, Evaluated]]:
    """Search, then train every family on all training spans and score the split that evaluates."""
    from artifacts.league.league import League
    from components.search_model.config import Config
    from components.search_model.logic import Inputs, Outputs, search
    from training.families.contender import contender
    from training.families.contest import Contest, skill
    from training.session import Sources, opened
    from training.settings import TrainingSettings

    usecase, training = prepared.usecase, prepared.usecase.section("train_model")
    own = folder / "own"
    (own / "Format-Serving").mkdir(parents=True)  # what the module builds is compared, and trained again below
    inputs = Inputs(usecase.module, usecase.schema_file, prepared.examples, prepared.graph, own)
    outputs = Outputs(folder / "model", folder / "league", folder / "decision", folder / "html")
    search(Config(families="every"), training, inputs, outputs)
    league = League.read(folder / "league")
    evaluated = {}
    sources = Sources(usecase.module, usecase.schema_file, prepared.examples, prepared.graph)
    with opened(TrainingSettings.of(training), sources) as session:
        contest = Contest(session)
        for entry in league.entries:
            trained = contest.train(contender(entry.family, entry.hyperparameters))
            found = session.predictions(trained.model, session.rows(trained.model, "eval"))
            evaluated[entry.name] = Evaluated(entry.name, skill(found, training["task"], entry.name), trained.seconds)
    return league, evaluated


def _flaml(prepared: Prepared) -> list[Evaluated]:
    """Let FLAML search on the same rows; nothing where it is not installed."""
    try:
        automl_of: Any = _flaml_automl()
    except ImportError as error:
        print(f"FLAML cannot be imported ({error}): uv sync --group peers; its rows are left out", file=sys.stderr)
        return []
    from threadpoolctl import threadpool_limits

    from problems import kind

    task = prepared.usecase.problem.task
    training, evaluation = _tables(prepared)
    found = []
    for trials in TRIALS:
        began = time.perf_counter()
        automl = automl_of()
        with threadpool_limits(limits=1):
            automl.fit(
                *training,
                task="regression" if task == "regression" else "classification",
                max_iter=trials,
                time_budget=-1,
                n_jobs=1,
                seed=1,
                verbose=0,
                estimator_list=["lgbm", "rf", "extra_tree"],
            )
            scores = automl.predict_proba(evaluation[0])
        seconds = time.perf_counter() - began
        shown = scores[:, 1] if task == "binary_classification" else scores
        skill = kind(task).skill(evaluation[1].astype(np.float64), np.asarray(shown, np.float64))
        found.append(Evaluated(f"FLAML, {trials} trials: {automl.best_estimator}", float(skill), seconds))
    return found


def _flaml_automl() -> Any:
    """Import FLAML's AutoML; it imports xgboost (200 MB) even where none of it is tried, so that gets a stand-in."""
    if importlib.util.find_spec("xgboost") is None:
        from sklearn.base import BaseEstimator

        stand_in: Any = types.ModuleType("xgboost")
        stand_in.__version__ = "0.0"
        stand_in.__spec__ = importlib.machinery.ModuleSpec("xgboost", None)
        estimator = type(
            "NotInstalled", (BaseEstimator,), {"__doc__": "", "fit": lambda *_: None, "predict": lambda *_: None}
        )
        stand_in.XGBClassifier = stand_in.XGBRegressor = estimator
        sys.modules["xgboost"] = stand_in
    return importlib.import_module("flaml.automl.automl").AutoML


def _tables(prepared: Prepared) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """Return the transformed features and labels of the rows to train on (with validation) and to evaluate."""
    from training.families.contest import Contest
    from training.families.trees import matrix_of
    from training.session import Sources, opened
    from training.settings import TrainingSettings

    usecase = prepared.usecase
    sources = Sources(usecase.module, usecase.schema_file, prepared.examples, prepared.graph)
    parts: list[tuple[npt.NDArray[Any], npt.NDArray[Any]]] = []
    with opened(TrainingSettings.of(usecase.section("train_model")), sources) as session:
        inputs = Contest(session).inputs
        for split in _SPLITS:
            parts.append(matrix_of(inputs, partial(_read, session, split)))
    (train, validation, evaluation) = parts
    joined = (np.concatenate([train[0], validation[0]]), np.concatenate([train[1], validation[1]]))
    return joined, evaluation


def _read(session: Any, split: str, model: Any) -> Any:
    return session.rows(model, split)


def _page(league: Any, evaluated: dict[str, Evaluated], peers: Sequence[Evaluated]) -> str:
    headings = (
        "family", f"{league.skill}, newest training span", f"behind {league.best}", "parameters", "SavedModel, KB",
        "a row, µs", "1,000 rows, µs", "seconds", f"{league.skill}, evaluated split",
    )  # fmt: skip
    rows = [_row(league, entry, evaluated[entry.name]) for entry in league.entries]
    rows += [[peer.name, "", "", "", "a pickle", "", "", f"{peer.seconds:.1f}", f"{peer.skill:.4f}"] for peer in peers]
    left_out = "; ".join(f"{name} ({why})" for name, why in league.left_out.items())
    summary = (
        f"Trained on {league.trained_rows:,} rows before span {league.held_out_span}, compared on its "
        f"{league.held_out_rows:,} rows; **{league.chosen}** is chosen."
    )
    return f"{summary}\n\n{table(headings, rows)}" + (f"\n\nLeft out: {left_out}." if left_out else "")


def _row(league: Any, entry: Any, evaluated: Evaluated) -> list[str]:
    cost = entry.footprint
    behind = f"{entry.behind:.4f} [{entry.behind_at_least:.4f}, {entry.behind_at_most:.4f}]"
    return [
        f"**{entry.name}**" if entry.name == league.chosen else entry.name,
        f"{entry.skill:.4f}",
        "" if entry.name == league.best else behind,
        f"{cost.parameters:,}",
        f"{cost.bytes / 1000:.0f}",
        f"{cost.row_us:.0f}",
        f"{cost.thousand_rows_us:.0f}",
        f"{entry.seconds:.1f}",
        f"{evaluated.skill:.4f}",
    ]


if __name__ == "__main__":
    main()
