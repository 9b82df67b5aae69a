"""What TFMA is asked to compute, as its own EvalConfig."""

import json

import tensorflow_model_analysis as tfma
import tf_keras
from tensorflow_model_analysis.metrics import metric_specs, metric_types

from components.evaluate_model.config import Config, TfmaMetric
from core.errors import ConfigError
from core.problem import Task

CANDIDATE = "candidate"
CHAMPION = "baseline"
"""The champion's name in TFMA's output, where it is the baseline that differences are taken against."""

_PLOTS: dict[Task, tuple[str, ...]] = {
    "binary_classification": ("CalibrationPlot", "ConfusionMatrixPlot"),
    "multiclass_classification": (),
    "regression": (),
}


def eval_config(config: Config, *, with_champion: bool, plots: bool) -> tfma.EvalConfig:
    """Build the EvalConfig for the configured slices, of the candidate alone or beside the champion."""
    names = (CANDIDATE, CHAMPION) if with_champion else (CANDIDATE,)
    models = [
        tfma.ModelSpec(
            name=name if with_champion else "",
            label_key=config.label,
            prediction_key=prediction_key(name),
            is_baseline=name == CHAMPION,
        )
        for name in names
    ]
    metrics = [*_standard(config), *config.more_metrics]
    if plots:
        metrics += [TfmaMetric(name=name) for name in _PLOTS[config.task]]
    built = tfma.EvalConfig(
        model_specs=models,
        slicing_specs=[
            tfma.SlicingSpec(),
            *(tfma.SlicingSpec(feature_keys=features) for features in config.slices if features),
        ],
        metrics_specs=[tfma.MetricsSpec(metrics=[_metric(metric) for metric in metrics])],
    )
    return tfma.utils.update_eval_config_with_defaults(built, has_baseline=with_champion)


def computations(config: tfma.EvalConfig) -> list[metric_types.MetricComputation]:
    """Return what TFMA computes for an EvalConfig; ConfigError when it cannot make a metric with the arguments it is given."""
    try:
        return list(metric_specs.to_computations(config.metrics_specs, eval_config=config))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"config.yaml: evaluate_model.more_metrics: TFMA cannot make a metric: {error}") from error


def prediction_key(model: str) -> str:
    """Name the column that a model's predictions travel in."""
    return f"prediction of {model}"


def _standard(config: Config) -> tuple[TfmaMetric, ...]:
    """Name the metrics that every use case of a task gets."""
    if config.task == "regression":
        return tuple(
            TfmaMetric(name=name)
            for name in ("ExampleCount", "MeanSquaredError", "MeanAbsoluteError", "SquaredPearsonCorrelation")
        )
    if config.task == "multiclass_classification":
        return tuple(
            TfmaMetric(name=name)
            for name in ("ExampleCount", "SparseCategoricalAccuracy", "SparseCategoricalCrossentropy")
        )
    threshold = config.decision_threshold
    return (
        *(TfmaMetric(name=name) for name in ("ExampleCount", "AUC", "AUCPrecisionRecall")),
        TfmaMetric(name="BinaryAccuracy", config={"threshold": threshold}),
        *(
            TfmaMetric(name=name, config={"thresholds": (threshold,)})
            for name in ("Precision", "Recall", "FalsePositiveRate", "FalseNegativeRate")
        ),
        *(TfmaMetric(name=name) for name in ("Calibration", "MeanLabel", "MeanPrediction")),
    )


_ALIASES = {
    "FalsePositiveRate": ("FallOut", "false_positive_rate"),
    "FalseNegativeRate": ("MissRate", "false_negative_rate"),
}
"""The names that fairness reports use, and TFMA's classes for them."""


def _metric(metric: TfmaMetric) -> tfma.MetricConfig:
    name, arguments = metric.name, dict(metric.config)
    if name in _ALIASES:
        name, arguments["name"] = _ALIASES[name]
    registered = metric_types.registered_metrics()
    if name not in registered and not hasattr(tf_keras.metrics, name):
        raise ConfigError(
            f"config.yaml: evaluate_model.more_metrics names {metric.name!r}, which TFMA does not have; known: {', '.join(sorted(registered))}"
        )
    return tfma.MetricConfig(class_name=name, config=json.dumps(arguments)[1:-1] if arguments else "")
