"""The files of a folder of cards."""

from typing import Final

CARDS: Final = "cards.json"
"""The document; its JSON Schema is published as `docs/cards.schema.json`."""
CONFIGURATION: Final = "configuration.json"
"""The configuration that the statements come from."""
SAVED_MODEL: Final = "saved_model.json"
"""Digest, number of files and bytes of the SavedModel."""
PAGE: Final = "cards.html"
"""Both cards as an HTML fragment."""
HUGGING_FACE: Final = "README.md"
"""The model card with the header that Hugging Face reads."""
CYCLONEDX: Final = "bom.json"
"""The model as a component of a CycloneDX 1.6 bill of materials."""
ANNEX_IV: Final = "annex-iv"
"""A folder with a file for each heading of Annex IV of the EU AI Act."""
