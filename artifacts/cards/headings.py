"""The nine headings of Annex IV of the EU AI Act, what each needs, and which a risk class needs.

Annex IV of Regulation (EU) 2024/1689 binds providers of high-risk systems. For the other classes the law demands none
of it; this project asks for what a reader of the card needs.
"""

from dataclasses import dataclass

from artifacts.cards.document import Cards, Entry
from artifacts.cards.scope import RiskClass


@dataclass(frozen=True)
class Heading:
    """One heading: the sections of the cards that are under it, and the entries that it must not lack."""

    number: int
    slug: str
    title: str
    sections: tuple[str, ...]
    needs: tuple[tuple[str, str], ...]
    """Section and entry."""

    @property
    def file(self) -> str:
        """The name of its file in the folder."""
        return f"{self.number}-{self.slug}.md"

    def missing(self, cards: Cards) -> list[Entry]:
        """Return the needed entries that have no value."""
        found = (cards.section(section).get(name) or Entry(name=name) for section, name in self.needs)
        return [entry for entry in found if entry.value is None]


HEADINGS = (
    Heading(
        1,
        "general-description",
        "A general description of the AI system",
        ("overview", "use", "features"),
        (
            ("overview", "business objective"),
            ("overview", "owner"),
            ("overview", "digest of the model"),
            ("overview", "interfaces"),
            ("use", "intended use"),
            ("use", "instructions"),
        ),
    ),
    Heading(
        2,
        "elements-and-development",
        "A detailed description of the elements of the AI system and of the process for its development",
        ("development", "performance", "data_source", "composition", "control"),
        (
            ("development", "design"),
            ("development", "training rows"),
            ("data_source", "provenance"),
            ("data_source", "labeling"),
            ("data_source", "digest of the source files"),
            ("control", "human oversight"),
            ("control", "cybersecurity"),
            ("lifecycle", "planned changes"),
        ),
    ),
    Heading(
        3,
        "monitoring-and-control",
        "Detailed information about the monitoring, functioning and control of the AI system",
        ("performance", "slices", "fairness", "explanations", "privacy", "gates", "control"),
        (("performance", "evaluated rows"), ("control", "limitations"), ("control", "human oversight")),
    ),
    Heading(
        4,
        "appropriateness-of-metrics",
        "A description of the appropriateness of the performance metrics for the specific AI system",
        ("metrics", "performance"),
        (("metrics", "why these metrics"),),
    ),
    Heading(
        5,
        "risk-management",
        "A detailed description of the risk management system in accordance with Article 9",
        ("risks", "ethics", "gates"),
        (("risks", "risk 1"), ("ethics", "affected people"), ("ethics", "statement")),
    ),
    Heading(
        6,
        "changes",
        "A description of relevant changes made by the provider to the system through its lifecycle",
        ("lifecycle",),
        (("lifecycle", "past changes"),),
    ),
    Heading(
        7,
        "standards",
        "A list of the harmonised standards applied in full or in part, or the solutions adopted instead",
        ("lifecycle",),
        (("lifecycle", "standards"),),
    ),
    Heading(
        8,
        "declaration-of-conformity",
        "A copy of the EU declaration of conformity referred to in Article 47",
        ("lifecycle",),
        (("lifecycle", "declaration of conformity"),),
    ),
    Heading(
        9,
        "post-market-monitoring",
        "A detailed description of the system in place to evaluate the performance in the post-market phase, in "
        "accordance with Article 72",
        ("lifecycle",),
        (("lifecycle", "post-market plan"),),
    ),
)

NEEDED: dict[RiskClass, tuple[int, ...]] = {
    "unacceptable": (),
    "high": tuple(heading.number for heading in HEADINGS),
    "limited": (1, 3, 4, 5),
    "minimal": (4, 5),
}
"""Risk class -> the headings that the gate asks for."""

STATEMENTS = {
    "interfaces": "interfaces",
    "intended use": "intended_use",
    "uses out of scope": "out_of_scope",
    "instructions": "instructions",
    "licence": "licence",
    "contact": "contact",
    "design": "design",
    "why these metrics": "metrics",
    "limitations": "limitations",
    "human oversight": "human_oversight",
    "cybersecurity": "cybersecurity",
    "planned changes": "planned_changes",
    "past changes": "past_changes",
    "standards": "standards",
    "declaration of conformity": "declaration",
    "post-market plan": "post_market",
    "provenance": "data_provenance",
    "licence of the data": "data_licence",
    "labeling": "data_labeling",
    "cleaning": "data_cleaning",
    "lawful basis": "lawful_basis",
    "retention": "retention",
}
"""Name of an entry -> the key of `scope_use_case.statements` that states it."""


def where_stated(entry: Entry) -> str:
    """Return what to do about an entry that has no value."""
    key = STATEMENTS.get(entry.name)
    if key:
        return f"config.yaml: write scope_use_case.statements.{key}"
    if entry.origin == "stated":
        return f"config.yaml: state {entry.name} under scope_use_case"
    return f"run the stage that measures {entry.name}"
