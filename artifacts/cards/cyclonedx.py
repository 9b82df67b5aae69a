"""The model as a component of a CycloneDX 1.6 bill of materials, with its `modelCard`, merged into that of an image."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from artifacts.cards.document import Cards, Entry, Section
from artifacts.cards.markdown import is_number

SPEC_VERSION = "1.6"
_PREFIX = "mlops:"
"""Of the names of properties, which the format asks to be somebody's own."""


def bill(cards: Cards, base: Mapping[str, Any] | None = None, version: str = "") -> dict[str, Any]:
    """Return a bill of materials with the model and its data.

    `base` is that of the image that serves the model, CycloneDX in JSON of version 1.2 to 1.6; its components stay as
    they are. `version` is the model's number in the registry, empty before it has one.
    """
    merged: dict[str, Any] = {"bomFormat": "CycloneDX", "version": 1, **(base or {})}
    merged["$schema"] = f"http://cyclonedx.org/schema/bom-{SPEC_VERSION}.schema.json"
    merged["specVersion"] = SPEC_VERSION
    model, data = _model(cards, version), _data(cards)
    merged["components"] = [*merged.get("components", ()), model, data]
    depends = [*merged.get("dependencies", ()), {"ref": model["bom-ref"], "dependsOn": [data["bom-ref"]]}]
    served_by = merged.get("metadata", {}).get("component")
    if served_by is None:
        merged["metadata"] = {**merged.get("metadata", {}), "component": model}
        merged["components"].remove(model)
    merged["dependencies"] = depends
    return merged


def content(bom: Mapping[str, Any]) -> bytes:
    """Serialize to JSON; equal bills give equal bytes."""
    return f"{json.dumps(bom, indent=2, ensure_ascii=False)}\n".encode()


def _model(cards: Cards, version: str) -> dict[str, Any]:
    overview = cards.section("overview")
    licence = overview.get("licence")
    component: dict[str, Any] = {
        "type": "machine-learning-model",
        "bom-ref": f"model:{cards.usecase}@{cards.subject}",
        "name": cards.usecase,
        "version": version or cards.subject,
        "description": _text(overview, "objective of the model"),
        "hashes": [{"alg": "SHA-256", "content": cards.subject.removeprefix("sha256:")}],
        "modelCard": _model_card(cards),
    }
    if licence is not None and licence.value:
        component["licenses"] = [{"license": {"name": str(licence.value)}}]
    return component


def _model_card(cards: Cards) -> dict[str, Any]:
    overview, development = cards.section("overview"), cards.section("development")
    return {
        "bom-ref": f"model-card:{cards.usecase}@{cards.subject}",
        "modelParameters": {
            "approach": {"type": "supervised"},
            "task": _text(overview, "task"),
            "modelArchitecture": _text(development, "design"),
            "datasets": [{"ref": _data_reference(cards)}],
            "inputs": [{"format": f"{entry.name}: {entry.shown}"} for entry in cards.section("features").entries],
            "outputs": [{"format": f"{_text(overview, 'label')} ({_text(overview, 'task')})"}],
        },
        "quantitativeAnalysis": {"performanceMetrics": list(_metrics(cards))},
        "considerations": _considerations(cards),
        "properties": list(_properties(cards)),
    }


def _metrics(cards: Cards) -> Iterator[dict[str, Any]]:
    for name in ("performance", "slices", "fairness", "privacy"):
        for entry in cards.section(name).entries:
            if is_number(entry):
                metric = {"type": entry.name, "value": json.dumps(entry.value)}
                yield metric | ({"slice": entry.slice} if entry.slice else {})


def _considerations(cards: Cards) -> dict[str, Any]:
    use, ethics, control = cards.section("use"), cards.section("ethics"), cards.section("control")
    risks = cards.section("risks").entries
    named = [
        {"name": str(risk.value), "mitigationStrategy": str(mitigation.value)}
        for risk, mitigation in zip(risks[::2], risks[1::2], strict=False)
        if risk.value and mitigation.value
    ]
    return {
        "users": [_text(ethics, "affected people")],
        "useCases": [_text(use, "intended use")],
        "technicalLimitations": [_text(control, "limitations")],
        "ethicalConsiderations": [*named, {"name": _text(ethics, "statement")}],
    }


def _properties(cards: Cards) -> Iterator[dict[str, str]]:
    yield {"name": f"{_PREFIX}risk_class", "value": cards.risk_class}
    for name, source in cards.sources.items():
        yield {"name": f"{_PREFIX}source:{name}", "value": f"{source.file} {source.digest}"}


def _data(cards: Cards) -> dict[str, Any]:
    source, personal = cards.section("data_source"), cards.section("personal_data")
    sensitive = personal.get("personal data")
    numbers = [entry for name in ("data_source", "composition") for entry in cards.section(name).entries]
    dataset: dict[str, Any] = {
        "type": "dataset",
        "name": f"{cards.usecase}, spans {_text(source, 'spans')}",
        "contents": {"properties": [_property(entry) for entry in numbers]},
        "classification": "personal" if sensitive is not None and sensitive.value is True else "not personal",
        "governance": {"owners": [{"organization": {"name": _text(cards.section("overview"), "owner")}}]},
    }
    if sensitive is not None and sensitive.value is True:
        dataset["sensitiveData"] = [_text(personal, "protected groups")]
    return {"type": "data", "bom-ref": _data_reference(cards), "name": f"{cards.usecase} data", "data": [dataset]}


def _property(entry: Entry) -> dict[str, str]:
    return {"name": f"{_PREFIX}{entry.name}", "value": entry.shown}


def _data_reference(cards: Cards) -> str:
    digest = cards.section("data_source").get("digest of the source files")
    return f"data:{cards.usecase}@{digest.value if digest else 'unknown'}"


def _text(section: Section, name: str) -> str:
    entry = section.get(name)
    return "not stated" if entry is None else entry.shown
