"""What a score measures, in order: first what starts runs, before this process has used TensorFlow."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mlops.actions.scoring.measuring.bench import Bench

Measure = Callable[[Bench], dict[str, Any]]
__all__ = ["MEASUREMENTS", "Bench", "Listed"]


@dataclass(frozen=True)
class Listed:
    """One measurement."""

    name: str
    """Its file's name."""
    rows: tuple[str, ...]
    """The rows that rest on it."""
    module: str
    """Has the function `measure(bench)`; imported when it is used."""

    def load(self) -> Measure:
        """Import the function."""
        found: Measure = importlib.import_module(self.module).measure
        return found


MEASUREMENTS = (
    Listed("new_feature", ("D6",), "mlops.actions.scoring.measuring.new_feature"),
    Listed("tuning", ("M3",), "mlops.actions.scoring.measuring.tuning"),
    Listed("feature_tests", ("D7",), "mlops.actions.scoring.measuring.feature_tests"),
    Listed("retraining", ("I1",), "mlops.actions.scoring.measuring.retraining"),
    Listed("schema_faults", ("D1",), "mlops.actions.scoring.measuring.schema_faults"),
    Listed("feature_costs", ("D3",), "mlops.actions.scoring.measuring.feature_costs"),
    Listed("specification", ("I2",), "mlops.actions.scoring.measuring.specification"),
    Listed("parity", ("Mon3",), "mlops.actions.scoring.measuring.parity"),
    Listed("trace", ("I5",), "mlops.actions.scoring.measuring.trace"),
    Listed("stability", ("Mon5",), "mlops.actions.scoring.measuring.stability"),
    Listed("stale_model", ("Mon4",), "mlops.actions.scoring.measuring.stale_model"),
    Listed("live_quality", ("Mon7",), "mlops.actions.scoring.measuring.live_quality"),
    Listed("staleness", ("M4",), "mlops.actions.scoring.measuring.staleness"),
    Listed("ablation", ("D2",), "mlops.actions.scoring.measuring.ablation"),
    Listed("correlation", ("M2",), "mlops.actions.scoring.measuring.correlation"),
)
