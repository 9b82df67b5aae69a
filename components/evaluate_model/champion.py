"""Makes the champion's scores comparable with the candidate's: the same order of classes, the same unit."""

import numpy as np

from artifacts.evaluation.columns import Values
from problems import kind
from problems.labels import TrainedLabel


def reason_not_comparable(candidate: TrainedLabel, champion: TrainedLabel) -> str:
    """Return why a champion cannot be compared with the candidate; "" when it can."""
    if champion.name != candidate.name or champion.task != candidate.task:
        return f"it predicts {champion.name!r} ({champion.task}), not {candidate.name!r} ({candidate.task})"
    if not kind(candidate.task).has_classes:
        if {candidate.unit, champion.unit} == {"raw"}:
            return ""
        return (
            "candidate and champion each predict in the unit of their own transformed label; declare "
            "label_to_business_unit in module.py, so that both predict in the unit of the raw label"
        )
    ours, theirs = set(candidate.classes), set(champion.classes)
    if not ours or not theirs or ours == theirs:
        return ""
    parts = [f"it lacks {', '.join(sorted(ours - theirs))}"] if ours - theirs else []
    parts += [f"it alone has {', '.join(sorted(theirs - ours))}"] if theirs - ours else []
    return f"its classes are not the candidate's: {' and '.join(parts)}"


def reorder_classes(candidate: TrainedLabel, champion: TrainedLabel, scores: Values) -> Values:
    """Return the champion's scores, [rows] or [rows, classes], in the order of the candidate's classes."""
    if not candidate.classes or not champion.classes or candidate.classes == champion.classes:
        return scores
    if scores.ndim == 1:
        return np.asarray(1 - scores)
    return scores[:, [champion.classes.index(name) for name in candidate.classes]]
