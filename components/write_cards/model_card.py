"""The sections of the model card."""

from collections.abc import Iterator, Mapping
from typing import Any

from artifacts.cards.document import Entry, Section
from artifacts.cards.headings import STATEMENTS
from artifacts.cards.tracing import Sources
from components.write_cards import reviews

_WORST = 5
"""Slices of several features that are shown, those with the worst value of the primary metric."""


def sections(sources: Sources) -> tuple[Section, ...]:
    """Return the sections, in the order in which people read them."""
    return (
        Section(name="overview", title="What it is", entries=tuple(_overview(sources))),
        Section(name="use", title="Intended use", entries=tuple(_use(sources))),
        Section(name="development", title="How it was made", entries=tuple(_development(sources))),
        Section(name="metrics", title="Metrics and their thresholds", entries=tuple(_metrics(sources))),
        Section(name="performance", title="Performance", entries=tuple(_performance(sources))),
        Section(name="slices", title="Performance on slices", entries=tuple(_slices(sources))),
        Section(name="fairness", title="Fairness", entries=tuple(reviews.fairness(sources))),
        Section(name="explanations", title="Explanations", entries=tuple(reviews.explanations(sources))),
        Section(name="privacy", title="Privacy", entries=tuple(reviews.decided(sources, "audit_privacy"))),
        Section(name="compression", title="Compression", entries=tuple(reviews.compression(sources))),
        Section(name="gates", title="Gates", entries=tuple(_gates(sources))),
        Section(name="risks", title="Risks", entries=tuple(_risks(sources))),
        Section(name="ethics", title="Ethics", entries=tuple(_ethics(sources))),
        Section(name="control", title="Limits and control", entries=tuple(_stated(sources, *_CONTROL))),
        Section(name="lifecycle", title="Life cycle", entries=tuple(_stated(sources, *_LIFECYCLE))),
    )


_CONTROL = ("limitations", "human oversight", "cybersecurity")
_LIFECYCLE = ("planned changes", "past changes", "standards", "declaration of conformity", "post-market plan")


def _stated(sources: Sources, *names: str) -> Iterator[Entry]:
    """Yield statements of `scope_use_case.statements`."""
    for name in names:
        yield sources.statement(name, "configuration", "scope", "statements", STATEMENTS[name])


def _overview(sources: Sources) -> Iterator[Entry]:
    yield sources.statement("business objective", "configuration", "scope", "business_objective")
    yield sources.statement("objective of the model", "configuration", "scope", "ml_objective")
    yield sources.statement("owner", "configuration", "scope", "resources", "owner")
    yield sources.entry("task", "configuration", "task")
    yield sources.entry("label", "configuration", "label")
    yield sources.entry("digest of the model", "saved_model", "digest")
    yield from _stated(sources, "licence", "contact", "interfaces")


def _use(sources: Sources) -> Iterator[Entry]:
    yield from _stated(sources, "intended use", "uses out of scope", "instructions")


def _development(sources: Sources) -> Iterator[Entry]:
    yield from _stated(sources, "design")
    for name, key in (("training rows", "rows"), ("epochs", "epochs"), ("best epoch", "best epoch")):
        yield sources.entry(name, "model", key)
    yield sources.entry("parameters", "model", "parameters")
    yield sources.entry("size of the SavedModel", "saved_model", "bytes", unit="bytes")
    yield sources.statement(
        "longest acceptable latency", "configuration", "scope", "resources", "latency_ms", unit="ms"
    )


def _metrics(sources: Sources) -> Iterator[Entry]:
    why = sources.statement("why these metrics", "configuration", "scope", "statements", "metrics")
    metrics = sources.get("configuration", "metrics") or []
    # The reason for a metric's threshold is a statement about the metric; a statement about all of them goes first.
    yield (
        why
        if why.value or not metrics
        else sources.statement("why these metrics", "configuration", "metrics", 0, "why")
    )
    yield sources.statement("primary metric", "configuration", "scope", "primary_metric")
    for index, metric in enumerate(metrics):
        for bound in ("at_least", "at_most"):
            if metric.get(bound) is not None:
                name = f"threshold of {metric['name']} ({bound.replace('_', ' ')})"
                yield sources.statement(name, "configuration", "metrics", index, bound)
        yield sources.statement(f"why that threshold of {metric['name']}", "configuration", "metrics", index, "why")
    yield sources.statement("baseline", "configuration", "scope", "reference", "baseline")
    yield sources.statement("baseline's value", "configuration", "scope", "reference", "baseline_value")
    yield sources.statement("human level", "configuration", "scope", "reference", "human_level")


def _performance(sources: Sources) -> Iterator[Entry]:
    yield sources.entry("evaluated rows", "evaluation", "examples")
    overall: Mapping[str, Any] = sources.get("evaluation", "overall", "candidate") or {}
    for name in overall:
        if name != "example_count":
            yield sources.entry(name, "evaluation", "overall", "candidate", name)
    skill = sources.get("evaluation", "skill", "name") or "skill"
    for index, one in enumerate(sources.get("evaluation", "comparisons") or []):
        where = ("evaluation", "comparisons", index)
        yield sources.entry(f"{skill} of {one['name']}", *where, "skill")
        confidence = f"{one['confidence']:.0%}"
        yield sources.entry(f"gain over {one['name']}", *where, "gain", "value")
        yield sources.entry(f"gain over {one['name']}, lower end of {confidence}", *where, "gain", "low")
        yield sources.entry(f"gain over {one['name']}, upper end of {confidence}", *where, "gain", "high")


def _slices(sources: Sources) -> Iterator[Entry]:
    """Yield the primary metric of each slice of one feature, and of the worst slices of several."""
    primary = _primary(sources)
    found = list(enumerate(sources.get("evaluation", "slices") or []))
    of_one = [index for index, item in found if len(item["slice"]) == 1]
    crossed = [(item["candidate"].get(primary), index) for index, item in found if len(item["slice"]) > 1]
    measured = [(value, index) for value, index in crossed if isinstance(value, int | float)]
    worst = [index for _, index in sorted(measured, reverse=_lower_is_better(sources, primary))[:_WORST]]
    for index in (*of_one, *worst):
        where = ", ".join(f"{name}={value}" for name, value in found[index][1]["slice"].items())
        yield sources.entry(primary, "evaluation", "slices", index, "candidate", primary, slice=where)
        yield sources.entry("rows", "evaluation", "slices", index, "examples", slice=where)


def _primary(sources: Sources) -> str:
    named = sources.get("configuration", "scope", "primary_metric")
    return str(named or sources.get("configuration", "metrics", 0, "name"))


def _lower_is_better(sources: Sources, metric: str) -> bool:
    metrics = sources.get("configuration", "metrics") or []
    return any(one["name"] == metric and one.get("at_most") is not None for one in metrics)


def _gates(sources: Sources) -> Iterator[Entry]:
    """Yield each gate's verdict, and the numbers of the gate that served the model."""
    for index, entry in enumerate(sources.get("evidence", "entries") or []):
        where = ("evidence", "entries", index, "decision")
        yield sources.entry(f"{entry['name']} decided", *where, "verdict")
        yield sources.entry(f"{entry['name']}: summary", *where, "summary")
        measured = entry["decision"]["checks"] if entry["decision"]["gate"] == "validate_infra" else ()
        for at, check in enumerate(measured):
            if isinstance(check["observed"], int | float):
                yield sources.entry(check["rule"], *where, "checks", at, "observed")


def _risks(sources: Sources) -> Iterator[Entry]:
    risks = sources.get("configuration", "scope", "risks") or []
    for index in range(len(risks)):
        yield sources.statement(f"risk {index + 1}", "configuration", "scope", "risks", index, "what")
        yield sources.statement(f"mitigation {index + 1}", "configuration", "scope", "risks", index, "mitigation")
    if not risks:
        yield Entry(name="risk 1", origin="stated")


def _ethics(sources: Sources) -> Iterator[Entry]:
    for name, key in (("affected people", "affected"), ("statement", "statement")):
        yield sources.statement(name, "configuration", "scope", "ethics", key)
