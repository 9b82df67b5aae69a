"""Checks what a server answers when it is asked to explain rows."""

import math
import statistics
from collections.abc import Sequence
from typing import Any

from artifacts.explanations.explained import MAX_RESIDUAL
from components.validate_infra.config import Config
from components.validate_infra.requests import Reply
from core.decision import Bound, Check, Verdict, compare


def explained(config: Config, replies: Sequence[Reply]) -> list[Check]:
    """Return two checks: every row is explained and adds up to its prediction, and the median latency."""
    assert config.explain_latency_ms is not None
    faults = [f"row {at}: {fault}" for at, reply in enumerate(replies) if (fault := _fault(reply.content))]
    add_up = Check(
        rule=f"{len(replies)} real rows are explained, and base and attributions add up to the prediction",
        observed=f"{len(faults)} are not" if faults else "all",
        verdict=Verdict.FAIL if faults else Verdict.PASS,
        next_step=f"The server answered: {'; '.join(faults[:3])}." if faults else "",
    )
    latency = compare(
        "median latency of an explanation in ms",
        statistics.median(reply.milliseconds for reply in replies),
        Bound(at_most=config.explain_latency_ms),
        next_step="Make the model smaller, or raise validate_infra.explain_latency_ms with a reason.",
    )
    return [add_up, latency]


def _fault(content: Any) -> str:
    """Return what is wrong with the explanation of one row; "" when nothing is."""
    if not (isinstance(content, list) and len(content) == 1 and isinstance(content[0], dict)):
        return content if isinstance(content, str) else f"wanted one explanation, got {content!r:.200}"
    try:
        prediction, base = float(content[0]["prediction"]), float(content[0]["base"])
        missing = prediction - base - math.fsum(map(float, content[0]["attributions"].values()))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return f"wanted prediction, base and attributions, got {type(error).__name__}: {error}"
    residual = abs(missing) / max(1.0, abs(prediction), abs(base))
    return "" if residual <= MAX_RESIDUAL else f"base and attributions are {missing:.3g} away from the prediction"
