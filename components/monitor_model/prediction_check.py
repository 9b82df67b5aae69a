"""Checks that the scores that clients got are distributed as those on the evaluation's rows."""

from typing import NamedTuple

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from artifacts.evaluation.columns import Values
from artifacts.statistics import sample_size
from artifacts.statistics.combiners import Combiners
from components.monitor_model.config import Config
from core.decision import Check, Verdict

_SCORE = "score"
_SMALLEST = 1e-9


class ScoreStatistics(NamedTuple):
    """The statistics of scores, as of a feature."""

    statistics: statistics_pb2.DatasetFeatureStatisticsList
    rows: int
    classes: int
    """Number of classes that are compared by their shares; 0 for a number."""


def score_statistics(scores: Values) -> ScoreStatistics:
    """Describe scores [rows] as numbers, [rows, classes] by the most probable class."""
    classes = scores.shape[1] if scores.ndim == 2 else 0
    values = np.char.mod("%d", np.argmax(scores, axis=1)).astype(bytes).tolist() if classes else scores.tolist()
    kind = pa.large_binary() if classes else pa.float32()
    column = pa.LargeListArray.from_arrays(pa.array(range(len(values) + 1), pa.int64()), pa.array(values, kind))
    combiners = Combiners(_schema(classes))
    batch = pa.RecordBatch.from_arrays([column], [_SCORE])
    return ScoreStatistics(
        combiners.extract(combiners.add(combiners.create(), [batch], "scores")), len(scores), classes
    )


def prediction_check(config: Config, current: ScoreStatistics | None, evaluated: ScoreStatistics) -> Check:
    """Compare the scores with those of the evaluation; undecided with too few rows."""
    bound, rows = config.prediction_bound, 0 if current is None else current.rows
    measure = "largest change of a class's share" if evaluated.classes else "Jensen-Shannon divergence"
    rule = f"predictions: difference of the scores from the evaluation's <= {bound:g} ({measure})"
    if evaluated.classes:
        needed = sample_size.for_shares(bound, evaluated.classes, evaluated.rows, config.confidence)
    else:
        needed = sample_size.for_divergence(bound, evaluated.rows, config.confidence)
    needed = max(needed, config.min_rows)
    if current is None or rows < needed:
        return Check(
            rule=f"{rule}: too few rows to decide",
            threshold=bound,
            verdict=Verdict.UNDECIDED,
            next_step=f"the version in production answered {rows} rows in the newest window; this needs {needed:.0f}",
        )
    observed = _difference(current, evaluated)
    is_within = observed is not None and observed <= bound
    verdict = Verdict.UNDECIDED if observed is None else Verdict.PASS if is_within else Verdict.FAIL
    next_step = "see which features differ from training; retrain if the change is real"
    return Check(
        rule=rule, threshold=bound, observed=observed, verdict=verdict, next_step="" if is_within else next_step
    )


def _difference(current: ScoreStatistics, evaluated: ScoreStatistics) -> float | None:
    found = tfdv.validate_statistics(
        current.statistics, _schema(evaluated.classes), previous_statistics=evaluated.statistics
    )
    values = [float(one.value) for info in found.drift_skew_info for one in info.drift_measurements]
    return values[0] if values and np.isfinite(values[0]) else None


def _schema(classes: int) -> schema_pb2.Schema:
    schema = schema_pb2.Schema()
    feature = schema.feature.add(name=_SCORE, type=schema_pb2.BYTES if classes else schema_pb2.FLOAT)
    if classes:
        feature.drift_comparator.infinity_norm.threshold = _SMALLEST
    else:
        feature.drift_comparator.jensen_shannon_divergence.threshold = _SMALLEST
    return schema
