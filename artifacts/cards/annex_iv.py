"""The technical documentation in the form of Annex IV of the EU AI Act: a file for each of its nine headings."""

from artifacts.cards import markdown
from artifacts.cards.document import Cards
from artifacts.cards.headings import HEADINGS, NEEDED, Heading, where_stated


def files(cards: Cards) -> dict[str, str]:
    """Return name -> content of each file."""
    return {heading.file: _content(cards, heading) for heading in HEADINGS}


def _content(cards: Cards, heading: Heading) -> str:
    needed = heading.number in NEEDED[cards.risk_class]
    missing = heading.missing(cards)
    state = "complete" if not missing else "incomplete"
    about = (
        f"Of the model `{cards.usecase}`, `{cards.subject}`; risk class {cards.risk_class}, for which this heading is "
    )
    lines = [
        f"# {heading.number}. {heading.title}\n",
        f"{about}{'needed' if needed else 'not asked for'}. It is {state}.\n",
    ]
    if missing:
        lines += ["Missing:\n", *(f"- {entry.name}: {entry.shown}; {where_stated(entry)}" for entry in missing), ""]
    lines += [markdown.section(cards.section(name)) for name in heading.sections]
    return "\n".join([*lines, markdown.sources(cards)])
