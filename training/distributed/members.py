"""The processes of one training, as TensorFlow's variable TF_CONFIG names them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from core.errors import TrainingError

VARIABLE = "TF_CONFIG"
_TASKS = ("chief", "worker")
"""Types of tasks that train, in the order in which TensorFlow counts them."""


@dataclass(frozen=True)
class Member:
    """One process of a training."""

    index: int
    """Its place among all, counted from 0; the first writes the model."""
    count: int

    @property
    def is_chief(self) -> bool:
        """Whether it writes the model."""
        return self.index == 0


def member_of(environment: Mapping[str, str]) -> Member | None:
    """Return which of several processes this one is; None where there is one.

    Raises TrainingError for a TF_CONFIG that does not name this process, or has parameter servers.
    """
    text = environment.get(VARIABLE, "")
    if not text:
        return None
    try:
        content = json.loads(text)
        cluster = {kind: list(addresses) for kind, addresses in content.get("cluster", {}).items()}
        kind, index = str(content.get("task", {}).get("type", "")), int(content.get("task", {}).get("index", 0))
    except (ValueError, TypeError, AttributeError) as error:
        raise TrainingError(
            f'{VARIABLE}: wanted {{"cluster": {{"worker": [...]}}, "task": {{"type": "worker", "index": 0}}}}, '
            f"got {text[:200]!r} ({error})"
        ) from error
    if other := sorted(set(cluster) - {*_TASKS, "evaluator"}):
        raise TrainingError(f"{VARIABLE}: wanted tasks chief and worker alone, got {', '.join(other)}; leave them out")
    counts = [len(cluster.get(one, ())) for one in _TASKS]
    if sum(counts) <= 1:
        return None
    if kind not in _TASKS or not 0 <= index < len(cluster.get(kind, ())):
        raise TrainingError(f"{VARIABLE}: wanted a task of the cluster {cluster}, got {kind or 'none'} {index}")
    return Member(index + (counts[0] if kind == "worker" else 0), sum(counts))
