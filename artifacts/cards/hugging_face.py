"""The model card as Hugging Face reads it: a README.md whose YAML header has the task, the licence and the metrics."""

from typing import Any

import yaml

from artifacts.cards import markdown
from artifacts.cards.document import Cards

_PIPELINES = {
    "binary_classification": "tabular-classification",
    "multiclass_classification": "tabular-classification",
    "regression": "tabular-regression",
}
"""Task -> the hub's tag for models over tables."""
_OVERALL = "/overall/candidate/"
"""Where an evaluation has the metrics of all rows."""


def header(cards: Cards) -> dict[str, Any]:
    """Return the YAML header."""
    overview, source = cards.section("overview"), cards.section("data_source")
    task = overview.get("task")
    kind = _PIPELINES.get(str(task.value) if task else "", "other")
    licence, spans = overview.get("licence"), source.get("spans")
    results = [
        {"type": entry.name, "value": entry.value, "name": entry.name}
        for entry in cards.section("performance").entries
        if markdown.is_number(entry) and entry.source == "evaluation" and entry.at[0].startswith(_OVERALL)
    ]
    dataset = {"type": cards.usecase, "name": f"{cards.usecase}, spans {spans.value}" if spans else cards.usecase}
    found: dict[str, Any] = {
        "license": licence.value if licence and licence.value else "other",
        "library_name": "tf-keras",
        "pipeline_tag": kind,
        "tags": ["tensorflow", "tensorflow-serving", cards.usecase],
        "model-index": [
            {
                "name": cards.usecase,
                "results": [{"task": {"type": kind}, "dataset": dataset, "metrics": results}],
            }
        ],
    }
    return found


def readme(cards: Cards) -> str:
    """Return the whole README.md."""
    front = yaml.safe_dump(header(cards), sort_keys=False, allow_unicode=True, width=120)
    body = markdown.document(f"{cards.usecase}: model card and data card", (*cards.model, *cards.data), cards)
    return f"---\n{front}---\n\n{body}"
