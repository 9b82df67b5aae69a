"""Translates an evaluation's specification to TFMA's EvalConfig."""

import json

import tensorflow_model_analysis as tfma
import tf_keras
from tensorflow_model_analysis.metrics import metric_specs, metric_types

from artifacts.evaluation.spec import CANDIDATE, CHAMPION, EvaluationSpec
from core.errors import ConfigError
from problems import kind
from problems.kind import TfmaMetric

WEIGHT = "weight of the row"
"""Name of the column with the rows' weights."""


def eval_config(spec: EvaluationSpec, *, with_champion: bool, plots: bool, weighted: bool = False) -> tfma.EvalConfig:
    """Build the EvalConfig for the configured slices, with or without the champion as TFMA's baseline.

    Raises ConfigError for a metric that TFMA does not have.
    """
    names = (CANDIDATE, CHAMPION) if with_champion else (CANDIDATE,)
    models = [
        tfma.ModelSpec(
            name=name if with_champion else "",
            label_key=spec.label,
            prediction_key=prediction_key(name),
            example_weight_key=WEIGHT if weighted else "",
            is_baseline=name == CHAMPION,
        )
        for name in names
    ]
    problem = kind(spec.task)
    metrics = [*problem.tfma_metrics(spec.decision_threshold), *spec.more_metrics]
    if weighted:
        metrics.append(TfmaMetric("WeightedExampleCount"))
    if plots:
        metrics += problem.tfma_plots
    built = tfma.EvalConfig(
        model_specs=models,
        slicing_specs=[
            tfma.SlicingSpec(),
            *(tfma.SlicingSpec(feature_keys=features) for features in spec.slices if features),
        ],
        metrics_specs=[tfma.MetricsSpec(metrics=[_metric(metric) for metric in metrics])],
    )
    return tfma.utils.update_eval_config_with_defaults(built, has_baseline=with_champion)


def computations(config: tfma.EvalConfig) -> list[metric_types.MetricComputation]:
    """Return TFMA's computations for an EvalConfig; ConfigError when it rejects a metric's arguments."""
    try:
        return list(metric_specs.to_computations(config.metrics_specs, eval_config=config))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"config.yaml: evaluate_model.more_metrics: TFMA rejects a metric: {error}") from error


def prediction_key(model: str) -> str:
    """Return the name of the column with a model's predictions."""
    return f"prediction of {model}"


_ALIASES = {
    "FalsePositiveRate": ("FallOut", "false_positive_rate"),
    "FalseNegativeRate": ("MissRate", "false_negative_rate"),
}
"""Names that fairness reports use -> TFMA's class, and the metric's name in its output."""


def _metric(metric: TfmaMetric) -> tfma.MetricConfig:
    name, arguments = metric.name, dict(metric.config)
    if name in _ALIASES:
        name, arguments["name"] = _ALIASES[name]
    registered = metric_types.registered_metrics()
    if name not in registered and not hasattr(tf_keras.metrics, name):
        raise ConfigError(
            f"config.yaml: evaluate_model.more_metrics: wanted a metric of TFMA, got {metric.name!r}; "
            f"known: {', '.join(sorted(registered))}"
        )
    return tfma.MetricConfig(class_name=name, config=json.dumps(arguments)[1:-1] if arguments else "")
