"""Feedback with what a measurement gives the monitor's rules; everything else in it is empty."""

from collections.abc import Sequence

from artifacts.feedback.report import Delay, Feedback, VersionMetrics, Window
from core.backends.registry import ModelVersion


def feedback_of(version: ModelVersion, as_of: str, versions: Sequence[VersionMetrics] = ()) -> Feedback:
    """Return the feedback about a version at an instant, with live metrics."""
    window = Window(start=as_of, end=as_of)
    return Feedback(
        model=version.name,
        champion=version.reference,
        as_of=as_of,
        read_from=as_of,
        predictions={},
        outcomes={},
        keys={},
        labels={},
        delay=Delay(),
        spans=[],
        pattern="",
        current=window,
        previous=window,
        mature=window,
        versions=list(versions),
        points=[],
        deployments=[],
    )
