"""Both cards as an HTML fragment for the report."""

from artifacts.cards.document import Cards, Entry, Section
from artifacts.cards.headings import HEADINGS, NEEDED
from artifacts.cards.markdown import is_number
from core.pictures import Markup, fragment, muted, table, verdict


def fragments(cards: Cards) -> list[Markup]:
    """Return a fragment for the headings of Annex IV, for each card, and for the sources."""
    return [_headings(cards), *_card("Model card", cards.model), *_card("Data card", cards.data), _sources(cards)]


def _headings(cards: Cards) -> Markup:
    rows = []
    for heading in HEADINGS:
        missing = heading.missing(cards)
        needed = heading.number in NEEDED[cards.risk_class]
        state = verdict("pass") if not missing else verdict("undecided") if needed else muted("incomplete")
        names = ", ".join(entry.name for entry in missing) or "-"
        rows.append([f"{heading.number}. {heading.title}", "yes" if needed else "no", state, names])
    return fragment(
        f"Cards of {cards.usecase}",
        f"Of the model {cards.subject}; risk class {cards.risk_class}.",
        table(["Heading of Annex IV", "Needed", "State", "Missing"], rows),
    )


def _card(title: str, sections: tuple[Section, ...]) -> list[Markup]:
    return [fragment(f"{title}: {section.title}", _table(section)) for section in sections]


def _table(section: Section) -> Markup:
    if not section.entries:
        return Markup(f"<p>{muted('not measured')}</p>")
    return table(["", "Slice", "Value", "From"], [_row(entry) for entry in section.entries])


def _row(entry: Entry) -> list[str | float | None]:
    if entry.value is None:
        return [entry.name, entry.slice or "", muted(entry.shown), ""]
    place = entry.at[0] + (f" and {len(entry.at) - 1} more" if len(entry.at) > 1 else "")
    value = entry.value if is_number(entry) and not entry.unit else entry.shown
    return [entry.name, entry.slice or "", value, muted(f"{entry.source} {place}")]


def _sources(cards: Cards) -> Markup:
    rows = [[name, source.file, source.digest] for name, source in cards.sources.items()]
    return fragment("Sources of the cards", table(["Name", "File", "Digest"], rows))
