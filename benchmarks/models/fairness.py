"""A constrained model of `income` beside the plain one and fairlearn's methods, on the same rows; for docs/fairness.md.

    python -m benchmarks.models.fairness [--seeds 3] [--no-peer] [--write]

The plain model and the constrained ones are trained as `train_model` and `constrain_model` do, and asked about the
split that evaluates. fairlearn gets the same transformed features: its reduction makes several randomized models of a
logistic regression, its threshold optimizer wants the group in every request.
"""

import argparse
import importlib
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.models.prepared import Prepared, prepare, table, write_between
from core.user_code import ROOT

PAGE = ROOT / "docs" / "fairness.md"
RATES = ("false_positive_rate", "true_positive_rate", "selection_rate")
OTHERS = ("selection_rate", "true_positive_rate", "equalized_odds")
"""Constraints that are measured with the first seed, beside that of the use case."""
THRESHOLD = 0.5


class Result(NamedTuple):
    """One model on the split that evaluates."""

    name: str
    auc: float
    accuracy: float
    rates: dict[str, tuple[float, float]]
    """Of men and of women."""
    seconds: float


class Answers(NamedTuple):
    """Labels, scores and groups of the split that evaluates, each [rows]."""

    labels: npt.NDArray[np.float64]
    scores: npt.NDArray[np.float64]
    women: npt.NDArray[np.bool_]

    def result(self, name: str, seconds: float) -> Result:
        """Measure them."""
        from components.constrain_model.lagrangian import counted
        from problems import kind

        above = self.scores > THRESHOLD
        rates = {}
        for rate in RATES:
            rows = counted(rate, self.labels)
            rates[rate] = (float(above[rows & ~self.women].mean()), float(above[rows & self.women].mean()))
        auc = kind("binary_classification").skill(self.labels, self.scores)
        return Result(name, auc, float((above == (self.labels > 0)).mean()), rates, seconds)


def main() -> None:
    """Measure, print the table, and write it where asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.models.fairness", description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--no-peer", action="store_true", help="measure this program alone")
    parser.add_argument("--write", action="store_true", help="write the table to docs/fairness.md")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fairness-") as folder:
        prepared = prepare("income", Path(folder))
        found = _ours(prepared, asked.seeds)
        found += [] if asked.no_peer else _fairlearn(prepared)
    text = _table(found)
    print(text)
    if asked.write:
        write_between(PAGE, "income", text)


def _ours(prepared: Prepared, seeds: int) -> list[Result]:
    """Train the plain model with every seed and constrain it."""
    from training.session import Sources, opened
    from training.settings import TrainingSettings

    usecase = prepared.usecase
    section = usecase.configured("constrain_model")
    sources = Sources(usecase.module, usecase.schema_file, prepared.examples, prepared.graph)
    found = []
    with opened(TrainingSettings.of(usecase.section("train_model")), sources) as opened_session:
        for seed in range(seeds):
            session = opened_session.variant(seed=opened_session.settings.seed + seed)
            constraints = [section.rate, *(OTHERS if seed == 0 else ())]
            found += _plain_and_constrained(session, section, seed, constraints)
    return found


def _plain_and_constrained(session: Any, section: Any, seed: int, constraints: list[str]) -> list[Result]:
    began = time.perf_counter()
    model = session.build()
    session.fit(model)
    weights = [weight.numpy() for weight in model.weights]
    women = _women(session, "eval")
    asked = session.predictor(model)(session.rows(model, "eval"))
    plain = Answers(asked.labels, asked.scores, women)
    found = [plain.result(f"plain, seed {seed}", time.perf_counter() - began)]
    for constraint in constraints:
        began = time.perf_counter()
        scores = _constrained(session, section.model_copy(update={"rate": constraint}), weights)
        named = f"{constraint.replace('_', ' ')}, seed {seed}"
        found.append(Answers(asked.labels, scores, women).result(named, time.perf_counter() - began))
    return found


def _constrained(session: Any, section: Any, weights: list[Any]) -> npt.NDArray[np.float64]:
    """Return the scores of a model that was trained further from the plain one's weights, as constrain_model does."""
    from components.constrain_model.hooks import Constrained
    from components.constrain_model.lagrangian import OF, Lagrangian
    from training.settings import EarlyStopping

    further = session.variant(epochs=section.epochs, early_stopping=EarlyStopping(patience=section.epochs))
    model = further.build()
    for weight, value in zip(model.weights, weights, strict=True):
        weight.assign(value)
    splits, predict = further.splits(model), further.predictor(model)
    trained = predict(splits.training)
    ones = np.ones(len(trained.labels))
    lagrangian = Lagrangian(
        rates=OF[section.rate],
        labels=trained.labels,
        groups=_women(session, "train").astype(np.int64),
        weights=ones,
        loss_weights=ones,
        max_gap=section.max_gap,
        step=section.step,
        threshold=THRESHOLD,
    )
    hooks = Constrained(lagrangian, splits, _women(session, "validation").astype(np.int64), predict)
    further.fit(model, hooks=[hooks])
    scores: npt.NDArray[np.float64] = predict(further.rows(model, "eval")).scores
    return scores


def _women(session: Any, split: str) -> npt.NDArray[np.bool_]:
    from artifacts.evaluation.columns import Vocabulary
    from components.constrain_model.group_columns import group_columns

    column = group_columns(session, split, {"sex": Vocabulary()})["sex"]
    return np.asarray(column.codes == column.values.index("Female"))


def _fairlearn(prepared: Prepared) -> list[Result]:
    """Train a logistic regression, and what fairlearn makes of it; nothing where it is not installed."""
    try:
        reductions: Any = importlib.import_module("fairlearn.reductions")
        postprocessing: Any = importlib.import_module("fairlearn.postprocessing")
    except ImportError:
        print("fairlearn is not installed: make peers; its rows are left out", file=sys.stderr)
        return []
    from sklearn.linear_model import LogisticRegression

    (features, labels, women), (asked, truth, asked_women) = _tables(prepared)
    plain = LogisticRegression(max_iter=300)

    began = time.perf_counter()
    scores = plain.fit(features, labels).predict_proba(asked)[:, 1]
    found = [Answers(truth, scores, asked_women).result("logistic regression", time.perf_counter() - began)]

    began = time.perf_counter()
    reduced = reductions.ExponentiatedGradient(
        LogisticRegression(max_iter=300), reductions.FalsePositiveRateParity(difference_bound=0.01)
    )
    reduced.fit(features, labels, sensitive_features=women)
    # The probability that the randomized classifier predicts positive; its mean over the models ranks the rows.
    randomized = np.asarray(reduced._pmf_predict(asked)[:, 1], np.float64)
    name = f"fairlearn's reduction, {int((reduced.weights_ > 0).sum())} randomized models"
    found.append(Answers(truth, randomized, asked_women).result(name, time.perf_counter() - began))

    began = time.perf_counter()
    by_group = postprocessing.ThresholdOptimizer(
        estimator=plain, constraints="false_positive_rate_parity", prefit=True, predict_method="predict_proba"
    )
    by_group.fit(features, labels, sensitive_features=women)
    predicted = np.asarray(by_group.predict(asked, sensitive_features=asked_women, random_state=0), np.float64)
    name = "fairlearn's threshold per group, group in every request"
    found.append(Answers(truth, predicted, asked_women).result(name, time.perf_counter() - began))
    return found


def _tables(prepared: Prepared) -> tuple[tuple[Any, Any, Any], tuple[Any, Any, Any]]:
    """Return features, labels and groups of the rows to train on (with validation), and of those to evaluate."""
    from training.session import Sources, opened
    from training.settings import TrainingSettings

    usecase = prepared.usecase
    sources = Sources(usecase.module, usecase.schema_file, prepared.examples, prepared.graph)
    parts = []
    with opened(TrainingSettings.of(usecase.section("train_model")), sources) as session:
        model = session.build()
        for split in ("train", "validation", "eval"):
            rows = session.rows(model, split)
            parts.append((_matrix(session, rows), rows.labels_and_weights()[0], _women(session, split)))
    training = tuple(np.concatenate([parts[0][at], parts[1][at]]) for at in range(3))
    return training, parts[2]  # type: ignore[return-value]  # three arrays each


def _matrix(session: Any, rows: Any) -> npt.NDArray[np.float32]:
    """Return the transformed features with indices as one column each value, [rows, columns]."""
    found = []
    for block in rows.blocks():
        columns = []
        for name, values in block[0].items():
            if values.dtype == np.int64:
                size = session.transform.vocabulary_size_by_name(name) + 1
                columns.append(np.eye(size, dtype=np.float32)[values[:, 0]])
            else:
                columns.append(values.astype(np.float32))
        found.append(np.concatenate(columns, axis=1))
    return np.concatenate(found)


def _table(found: list[Result]) -> str:
    rows = []
    for one in found:
        gaps = [f"{men:.3f} / {women:.3f}: {men - women:+.3f}" for men, women in (one.rates[rate] for rate in RATES)]
        rows.append([one.name, f"{one.auc:.4f}", f"{one.accuracy:.4f}", *gaps, f"{one.seconds:.0f}"])
    names = [f"{rate.replace('_', ' ')}, men / women: gap" for rate in RATES]
    return table(["", "AUC", "accuracy", *names, "seconds"], rows)


if __name__ == "__main__":
    main()
