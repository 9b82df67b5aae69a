"""Walk forward over the months of flight_delay: train on the months before, evaluate on the month itself.

    python -m benchmarks.walk_forward [--months 4,5,6] [--out walk_forward.md]

The stages' own functions and the use case's own configuration, in one process, beside three simpler methods on the same
rows: the majority (an AUC of 0.5), the late rate by carrier and hour, and a logistic regression on the transformed
features.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipelines.config import UseCase, find, load

Numbers = npt.NDArray[np.float64]
SMOOTHING = 20
"""Rows of the overall rate that every cell of the rate table is given."""
CATEGORIES = (
    "carrier",
    "origin",
    "dest",
    "hour",
    "day_of_week",
    "humid_bucket",
    "pressure_bucket",
    "wind_speed_bucket",
)
METRICS = ("auc", "auc_pr", "calibration", "log_loss")


class Quality(NamedTuple):
    """Metrics of one method on one month."""

    auc: float
    auc_pr: float
    calibration: float
    """Mean prediction divided by the share of late flights."""
    log_loss: float


class Split(NamedTuple):
    """Transformed features, labels, and carrier and hour as they were."""

    features: dict[str, npt.NDArray[Any]]
    label: Numbers
    cell: npt.NDArray[Any]


class Month(NamedTuple):
    """One step of the walk."""

    span: int
    late: float
    methods: dict[str, Quality]
    seconds: float


def main(arguments: Sequence[str]) -> int:
    """Measure the months asked for and write a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--months", default="4,5,6,7,8,9,10,11,12")
    parser.add_argument("--usecase", default="flight_delay")
    parser.add_argument(
        "--set", action="append", default=[], help="a hyperparameter or field of train_model, as name=number"
    )
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    usecase = load(find(options.usecase))
    changes = {name: float(value) for name, value in (change.split("=") for change in options.set)}
    with tempfile.TemporaryDirectory() as temporary:
        months = []
        for span in map(int, options.months.split(",")):
            months.append(_step(usecase, span, Path(temporary), changes))
            print(_row(months[-1]), file=sys.stderr, flush=True)
    table = _table(months)
    print(table)
    if options.out:
        options.out.write_text(table, encoding="utf-8")
    return 0


def _step(usecase: UseCase, span: int, folder: Path, changes: dict[str, float]) -> Month:
    """Ingest, transform, train and evaluate one month."""
    from components.ingest_examples.logic import PinnedSource, ingest
    from components.train_model.config import Config
    from components.train_model.logic import Inputs as TrainInputs
    from components.train_model.logic import Outputs, train
    from components.transform_features.logic import Inputs, transform
    from usecases.flight_delay.data import PATTERN, write_spans

    write_spans(folder / "data")
    place = folder / str(span)
    schema, examples, graph, model = usecase.schema_file, place / "examples", place / "graph", place / "model"
    ingest(usecase.ingest_examples, PinnedSource(str(folder / "data" / PATTERN), span, ""), schema, examples)
    start = time.perf_counter()
    transform(usecase.transform_features, Inputs(usecase.module, schema, examples), graph)
    section = usecase.section("train_model")
    section |= {name: value for name, value in changes.items() if name in section}
    section["hyperparameters"] |= {name: value for name, value in changes.items() if name not in Config.model_fields}
    train(
        Config.model_validate(section),
        TrainInputs(usecase.module, schema, examples, graph),
        Outputs(model, lambda *_: None, place / "pictures.html"),
    )
    seconds = time.perf_counter() - start
    training, evaluation = _split(usecase, examples, graph, "train"), _split(usecase, examples, graph, "eval")
    predictions = {
        "model": _predict(model / "Format-Serving", examples),
        "linear": _linear(training, evaluation),
        "rate table": _rate_table(training, evaluation),
        "majority": np.full(len(evaluation.label), training.label.mean()),
    }
    return Month(
        span,
        float(evaluation.label.mean()),
        {name: _quality(evaluation.label, scores) for name, scores in predictions.items()},
        seconds,
    )


def _split(usecase: UseCase, examples: Path, graph: Path, split: str) -> Split:
    import tensorflow_transform as tft

    from artifacts.examples.batches import record_batches
    from artifacts.labels.soft_rows import Portion
    from artifacts.schema.schema_file import read_schema
    from core import user_code
    from training.rows import Recipe

    schema = read_schema(user_code.resolve(usecase.schema_file))
    output = tft.TFTransformOutput(str(graph))
    label = usecase.problem.label
    names = [name for name in output.transformed_feature_spec() if name != label]
    recipe = Recipe(schema, output.transform_features_layer(), label, names)
    blocks = list(recipe.columns(examples, Portion(split), 32_768))
    columns = {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
    cells = [
        carrier.decode() + str(hour)
        for batch in record_batches(examples, split, schema)
        for (carrier,), (hour,) in zip(batch["carrier"].to_pylist(), batch["hour"].to_pylist(), strict=True)
    ]
    return Split({name: columns[name] for name in names}, columns[label][:, 0].astype(float), np.array(cells))


def _predict(saved_model: Path, examples: Path) -> Numbers:
    """Ask the exported model, as a server would."""
    import tensorflow as tf

    from artifacts.examples.shards import shards

    regress = tf.saved_model.load(str(saved_model)).signatures["regress"]
    files = [str(path) for path in shards(examples, "eval")]
    batches = tf.data.TFRecordDataset(files, "GZIP").batch(8192)
    scores: Numbers = np.concatenate([regress(examples=batch)["outputs"].numpy() for batch in batches]).astype(
        np.float64
    )
    return scores


def _linear(training: Split, evaluation: Split) -> Numbers:
    from scipy.sparse import csr_matrix, hstack
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import OneHotEncoder

    numbers = [name for name in training.features if name not in CATEGORIES]
    encoder = OneHotEncoder(handle_unknown="ignore")
    splits = (training, evaluation)
    categories = [np.concatenate([split.features[name] for name in CATEGORIES], axis=1) for split in splits]
    one_hot = encoder.fit_transform(categories[0]), encoder.transform(categories[1])
    inputs = [
        hstack([hot, csr_matrix(np.concatenate([split.features[name] for name in numbers], 1))])
        for hot, split in zip(one_hot, splits, strict=True)
    ]
    fitted = LogisticRegression(max_iter=300).fit(inputs[0], training.label)
    scores: Numbers = fitted.predict_proba(inputs[1])[:, 1]
    return scores


def _rate_table(training: Split, evaluation: Split) -> Numbers:
    overall = float(training.label.mean())
    cells, index = np.unique(training.cell, return_inverse=True)
    late, rows = np.bincount(index, training.label), np.bincount(index)
    rates = dict(zip(cells.tolist(), ((late + SMOOTHING * overall) / (rows + SMOOTHING)).tolist(), strict=True))
    return np.array([rates.get(cell, overall) for cell in evaluation.cell.tolist()], np.float64)


def _quality(label: Numbers, scores: Numbers) -> Quality:
    from sklearn.metrics import average_precision_score, log_loss, roc_auc_score

    return Quality(
        roc_auc_score(label, scores),
        average_precision_score(label, scores),
        scores.mean() / label.mean(),
        log_loss(label, np.clip(scores, 1e-6, 1 - 1e-6)),
    )


def _row(month: Month) -> str:
    model, linear, table = (month.methods[name] for name in ("model", "linear", "rate table"))
    aucs = f"**{model.auc:.3f}** | {linear.auc:.3f} | {table.auc:.3f} | 0.500"
    return (
        f"| {month.span} | {month.late:.3f} | {aucs} | {model.auc_pr:.3f} | {linear.auc_pr:.3f} | {table.auc_pr:.3f} "
        f"| {model.calibration:.2f} | {linear.calibration:.2f} "
        f"| {model.log_loss:.4f} | {linear.log_loss:.4f} | {month.seconds:.1f} |"
    )


def _table(months: list[Month]) -> str:
    compared = "AUC-PR model | linear | rate table | calibration model | linear | log loss model | linear"
    head = f"| month | late | AUC model | linear | rate table | majority | {compared} | seconds |"
    rows = [head, "|" + "--:|" * 14, *map(_row, months)]
    mean = {name: np.mean([month.methods[name].auc for month in months]) for name in months[0].methods}
    beaten = {
        name: sum(month.methods["model"].auc > month.methods[name].auc for month in months)
        for name in mean
        if name != "model"
    }
    facts = ", ".join(f"{name} {value:.4f}" for name, value in mean.items())
    wins = ", ".join(f"{name} in {count}" for name, count in beaten.items())
    return "\n".join([*rows, "", f"Mean AUC: {facts}. Of {len(months)} months the model beats {wins}.", ""])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
