"""Writes the cards from artifacts and the scope, and decides whether they are complete."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from artifacts.cards import folder as cards_folder
from artifacts.cards import page
from artifacts.cards.document import Cards
from artifacts.cards.names import CONFIGURATION, SAVED_MODEL
from artifacts.cards.tracing import Sources
from artifacts.evaluation.metrics_file import METRICS
from artifacts.examples.names import MANIFEST
from artifacts.explanations.summary import EXPLANATIONS, ExplanationsSummary
from artifacts.fairness.measurement import Measurement
from artifacts.fairness.names import FAIRNESS
from artifacts.model.names import FEATURES, SERVING, TRAINING
from components.write_cards import data_card, model_card
from components.write_cards.config import Config
from components.write_cards.gate import decide
from core import durable, pictures
from core.backends import manifest
from core.decision import Decision
from core.digest import of_named

COMPRESSION = "compression.json"


@dataclass(frozen=True)
class Inputs:
    """The artifacts that the cards are made from."""

    examples: Path
    model: Path
    evaluation: Path
    evidence: Path
    fairness: Path | None = None
    explanations: Path | None = None

    @classmethod
    def at(cls, *paths: str | None) -> "Inputs":
        """Take the paths in the order of the fields; None for a review that was left out."""
        return cls(*(None if path is None else Path(path) for path in paths))  # type: ignore[arg-type]


@dataclass(frozen=True)
class Outputs:
    """The paths of the cards' folder, the decision and the pictures."""

    cards: Path | str
    decision: Path | str
    pictures: Path | str


def write(config: Config, inputs: Inputs, outputs: Outputs) -> Decision:
    """Write the cards in every form, the decision and the pictures; incomplete cards close the gate and raise nothing.

    Raises CorruptArtifact for an artifact that cannot be read, RegistryError where there is no SavedModel.
    """
    folder = Path(outputs.cards)
    folder.mkdir(parents=True, exist_ok=True)
    files = _files(config, inputs, folder)
    sources = Sources()
    for name, path in files.items():
        sources.add(name, path)
    cards = Cards(
        usecase=config.name,
        subject=sources.content["saved_model"]["digest"],
        risk_class=config.risk_class,
        sources=sources.files,
        model=model_card.sections(sources),
        data=data_card.sections(sources),
    )
    decision = decide(config, cards, sources, files)
    cards_folder.write(folder, cards)
    pictures.write(outputs.pictures, *page.fragments(cards))
    decision.write(outputs.decision)
    return decision


def _files(config: Config, inputs: Inputs, folder: Path) -> dict[str, Path]:
    """Return the files of the sources by name, after writing those that are about the configuration and the model."""
    saved_model = inputs.model / SERVING
    _write(folder / CONFIGURATION, config.model_dump(mode="json", exclude_none=True))
    files = manifest.scan(saved_model)
    size = sum((saved_model / name).stat().st_size for name in files)
    _write(folder / SAVED_MODEL, {"digest": of_named(files), "files": len(files), "bytes": size})
    found = {
        "configuration": folder / CONFIGURATION,
        "examples": inputs.examples / MANIFEST,
        "saved_model": folder / SAVED_MODEL,
        "model": inputs.model / TRAINING,
        "features": saved_model / FEATURES,
        "evaluation": inputs.evaluation / METRICS,
        "evidence": inputs.evidence,
        "compression": inputs.model / COMPRESSION,
    }
    if inputs.fairness is not None:
        Measurement.read(inputs.fairness)
        found["fairness"] = inputs.fairness / FAIRNESS
    if inputs.explanations is not None:
        ExplanationsSummary.read(inputs.explanations)
        found["explanations"] = inputs.explanations / EXPLANATIONS
    optional = ("model", "features", "compression")  # a module of TFX leaves the first two out
    return {name: path for name, path in found.items() if name not in optional or path.is_file()}


def _write(path: Path, content: dict[str, Any]) -> None:
    durable.replace(path, f"{json.dumps(content, indent=2, sort_keys=True)}\n".encode())
