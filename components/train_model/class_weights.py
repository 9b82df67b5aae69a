"""Sets the weights of classes in training."""

from components.train_model.config import Config
from components.train_model.rows import Rows
from core.errors import TrainingError, did_you_mean
from problems import kind
from problems.labels import TrainedLabel


def weigh_classes(config: Config, label: TrainedLabel, training: Rows, validation: Rows) -> None:
    """Set the weights of classes on both splits, so that losses are comparable; TrainingError for unknown classes."""
    if config.class_weights is None:
        return
    if not kind(config.task).has_classes:
        raise TrainingError(
            f"train_model.class_weights: a {config.task} has no classes; use problem.weight, or leave it out"
        )
    counts = training.labels
    if config.class_weights == "balanced":
        total = sum(counts.values())
        weights = {number: total / (len(counts) * count) for number, count in counts.items()}
    else:
        names = label.classes or tuple(f"{number:g}" for number in sorted(counts))
        weights = {}
        for name, weight in config.class_weights.items():
            if name not in names:
                raise TrainingError(
                    f"train_model.class_weights: {name!r} is no class{did_you_mean(name, names)}; "
                    f"the classes are {', '.join(names)}"
                )
            weights[float(names.index(name))] = weight
    training.class_weights = validation.class_weights = weights
