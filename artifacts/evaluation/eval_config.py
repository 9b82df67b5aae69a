"""What TFMA is asked to compute, as its own EvalConfig."""

import json

import tensorflow_model_analysis as tfma
import tf_keras
from tensorflow_model_analysis.metrics import metric_specs, metric_types

from artifacts.evaluation.measures import CANDIDATE, CHAMPION, Measures
from core.errors import ConfigError
from problems import kind
from problems.kind import TfmaMetric

WEIGHT = "weight of the row"
"""The column that rows' weights travel in."""


def eval_config(measures: Measures, *, with_champion: bool, plots: bool, weighted: bool = False) -> tfma.EvalConfig:
    """Build the EvalConfig for the configured slices, of the candidate alone or beside the champion."""
    names = (CANDIDATE, CHAMPION) if with_champion else (CANDIDATE,)
    models = [
        tfma.ModelSpec(
            name=name if with_champion else "",
            label_key=measures.label,
            prediction_key=prediction_key(name),
            example_weight_key=WEIGHT if weighted else "",
            is_baseline=name == CHAMPION,
        )
        for name in names
    ]
    problem = kind(measures.task)
    metrics = [*problem.tfma_metrics(measures.decision_threshold), *measures.more_metrics]
    if weighted:
        metrics.append(TfmaMetric("WeightedExampleCount"))
    if plots:
        metrics += problem.tfma_plots
    built = tfma.EvalConfig(
        model_specs=models,
        slicing_specs=[
            tfma.SlicingSpec(),
            *(tfma.SlicingSpec(feature_keys=features) for features in measures.slices if features),
        ],
        metrics_specs=[tfma.MetricsSpec(metrics=[_metric(metric) for metric in metrics])],
    )
    return tfma.utils.update_eval_config_with_defaults(built, has_baseline=with_champion)


def computations(config: tfma.EvalConfig) -> list[metric_types.MetricComputation]:
    """Return what TFMA computes for an EvalConfig; ConfigError when it cannot make a metric with its arguments."""
    try:
        return list(metric_specs.to_computations(config.metrics_specs, eval_config=config))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"config.yaml: evaluate_model.more_metrics: TFMA cannot make a metric: {error}") from error


def prediction_key(model: str) -> str:
    """Name the column that a model's predictions travel in."""
    return f"prediction of {model}"


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
            f"config.yaml: evaluate_model.more_metrics names {metric.name!r}, which TFMA does not have; "
            f"known: {', '.join(sorted(registered))}"
        )
    return tfma.MetricConfig(class_name=name, config=json.dumps(arguments)[1:-1] if arguments else "")
