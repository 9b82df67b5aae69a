"""Sets the weights of classes in training."""

from core.errors import TrainingError, did_you_mean
from problems import kind
from problems.labels import TrainedLabel
from training.fitting import Splits
from training.settings import TrainingSettings


def weigh_classes(settings: TrainingSettings, label: TrainedLabel, splits: Splits) -> None:
    """Set the weights of classes on both splits, so that losses are comparable; TrainingError for unknown classes."""
    if settings.class_weights is None:
        return
    if not kind(settings.task).has_classes:
        raise TrainingError(
            f"train_model.class_weights: a {settings.task} has no classes; use problem.weight, or leave it out"
        )
    counts = splits.training.labels
    if settings.class_weights == "balanced":
        total = sum(counts.values())
        weights = {number: total / (len(counts) * count) for number, count in counts.items()}
    else:
        names = label.classes or tuple(f"{number:g}" for number in sorted(counts))
        weights = {}
        for name, weight in settings.class_weights.items():
            if name not in names:
                raise TrainingError(
                    f"train_model.class_weights: {name!r} is no class{did_you_mean(name, names)}; "
                    f"the classes are {', '.join(names)}"
                )
            weights[float(names.index(name))] = weight
    for rows in splits:
        rows.class_weights = weights
