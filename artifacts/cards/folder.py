"""Writes the cards in every form to a folder, and reads the document back."""

from pathlib import Path

from artifacts.cards import annex_iv, cyclonedx, hugging_face, page
from artifacts.cards.document import Cards
from artifacts.cards.names import ANNEX_IV, CARDS, CYCLONEDX, HUGGING_FACE, PAGE
from core import durable
from core.errors import CorruptArtifact


def write(folder: Path, cards: Cards) -> None:
    """Write every form; the document is last, so that a folder with one is complete."""
    (folder / ANNEX_IV).mkdir(parents=True, exist_ok=True)
    for name, content in annex_iv.files(cards).items():
        (folder / ANNEX_IV / name).write_text(content, encoding="utf-8")
    (folder / HUGGING_FACE).write_text(hugging_face.readme(cards), encoding="utf-8")
    (folder / CYCLONEDX).write_bytes(cyclonedx.content(cyclonedx.bill(cards)))
    (folder / PAGE).write_text("\n".join(page.fragments(cards)), encoding="utf-8")
    durable.replace(folder / CARDS, cards.content())


def read(folder: Path) -> Cards:
    """Read the document of a folder; CorruptArtifact when it is missing, or has a value without a source."""
    path = folder / CARDS
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CorruptArtifact(f"{path}: wanted the cards of a model, got {error.strerror}; run write_cards") from None
    return Cards.parse(content, str(path))
