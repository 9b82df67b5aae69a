"""The sections of what other stages measured: fairness, explanations, compression."""

from collections.abc import Iterator

from artifacts.cards.document import Entry
from artifacts.cards.tracing import Sources

_RATES = ("selection_rate", "true_positive_rate", "false_positive_rate", "precision")
_IMPORTANT = 10
"""Features that are shown, the most important first."""
_MOST = 60
"""Numbers of a compression that are shown."""
_UNSHOWN = frozenset({"version", "edges", "differences", "layers", "losses"})
"""Parts of a compression's file that are too long for a card."""


def decided(sources: Sources, gate: str) -> Iterator[Entry]:
    """Yield what a gate decided by; nothing when it did not decide."""
    for index, entry in enumerate(sources.get("evidence", "entries") or []):
        if entry["decision"]["gate"] != gate:
            continue
        where = ("evidence", "entries", index, "decision")
        yield sources.entry(f"{gate} decided", *where, "verdict")
        for at, check in enumerate(entry["decision"]["checks"]):
            if check["observed"] is not None:
                yield sources.entry(check["rule"], *where, "checks", at, "observed", slice=check["slice"])


def fairness(sources: Sources) -> Iterator[Entry]:
    """Yield the rates of each group at the decision threshold, and the gaps with the ends that rules hold."""
    yield from decided(sources, "measure_fairness")
    threshold = sources.get("fairness", "decision_threshold")
    for number, grouping in enumerate(sources.get("fairness", "groupings") or []):
        for place, group in enumerate(grouping["groups"]):
            where = ("fairness", "groupings", number, "groups", place)
            pairs = zip(grouping["features"], group["values"], strict=True)
            name = ", ".join(f"{feature}={value}" for feature, value in pairs)
            yield sources.entry("rows of the group", *where, "rows", slice=name)
            at = next((at for at, one in enumerate(group["rates"]) if one["threshold"] == threshold), None)
            for rate in _RATES if at is not None else ():
                yield sources.entry(rate.replace("_", " "), *where, "rates", str(at), rate, "value", slice=name)
    for number, gap in enumerate(sources.get("fairness", "gaps") or []):
        if gap["threshold"] in (None, threshold):
            name = f"gap of {gap['rate'].replace('_', ' ')}"
            across = " x ".join(gap["features"])
            yield sources.entry(name, "fairness", "gaps", number, "value", slice=across)
            yield sources.entry(f"{name}, upper end", "fairness", "gaps", number, "high", slice=across)


def explanations(sources: Sources) -> Iterator[Entry]:
    """Yield the most important features by their share of all, and how far the explanations can be relied on."""
    yield from decided(sources, "explain_model")
    for number, feature in enumerate((sources.get("explanations", "features") or [])[:_IMPORTANT]):
        yield sources.entry(f"share of {feature['name']}", "explanations", "features", number, "share")
    for name, key in (("explained rows", "rows"), ("largest residual", "residual"), ("rank stability", "stability")):
        if "explanations" in sources.content:
            yield sources.entry(name, "explanations", key)


def compression(sources: Sources) -> Iterator[Entry]:
    """Yield the numbers of a compressed model's file."""
    yield from decided(sources, "compress_model")
    for steps in list(_numbers(sources.content.get("compression"), ()))[:_MOST]:
        name = " ".join(str(step).replace("_", " ") for step in steps)
        yield sources.entry(name, "compression", *steps)


def _numbers(content: object, steps: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    """Yield the place of each number."""
    if isinstance(content, dict):
        inner = [(key, value) for key, value in content.items() if key not in _UNSHOWN]
    elif isinstance(content, list):
        inner = list(enumerate(content))
    else:
        if isinstance(content, int | float) and not isinstance(content, bool):
            yield steps
        return
    for step, value in inner:
        yield from _numbers(value, (*steps, step))
