"""Renders the cards as one HTML page that needs no network, no server and no script."""

from artifacts.cards.document import Cards
from artifacts.cards.page import fragments
from mlops.report.render import environment


def page(cards: Cards, what: str) -> str:
    """Return the page; `what` says whose cards they are."""
    template = environment().get_template("cards.html.j2")
    return template.render(cards=cards, what=what, fragments=fragments(cards))
