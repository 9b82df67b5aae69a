"""Draws the table of the families, and their quality beside their size."""

from pathlib import Path

from artifacts.league.league import Entry, League
from core import pictures
from core.pictures import COLORS, Markup

_HEADINGS = ("parameters", "SavedModel, KB", "a row, µs", "1,000 rows, µs", "seconds", "SavedModel differs by")


def draw(league: League, path: Path | str) -> None:
    """Write the pictures."""
    seeds = len(league.seeds)
    summary = (
        f"{league.chosen} goes on: the simplest of all whose {league.skill} the best, {league.best}, is not "
        f"surely above. Every family was trained on {league.trained_rows:,} rows of the spans before "
        f"{league.held_out_span}, {seeds} time{'s' if seeds > 1 else ''}, and compared on the {league.held_out_rows:,} "
        f"rows of span {league.held_out_span}; the interval of a difference ({league.confidence:.0%}) is paired by row."
    )
    left_out = [f"{name} was left out: {why}." for name, why in league.left_out.items()]
    pictures.write(
        path, pictures.fragment("Families of models", summary, _table(league), _against_size(league), *left_out)
    )


def _table(league: League) -> Markup:
    rows: list[list[str | float | None]] = [[*_name(league, entry), *_numbers(entry)] for entry in league.entries]
    behind = f"behind {league.best}"
    return pictures.table(("family", "", league.skill, "spread", behind, "at least", *_HEADINGS), rows)


def _name(league: League, entry: Entry) -> tuple[str, str]:
    name = pictures.bold(entry.name) if entry.name == league.chosen else entry.name
    if entry.name == league.chosen:
        return name, "chosen"
    return name, "within the noise" if entry.is_within_noise else "worse"


def _numbers(entry: Entry) -> tuple[float, ...]:
    cost = entry.footprint
    return (
        entry.skill,
        entry.spread,
        entry.behind,
        entry.behind_at_least,
        cost.parameters,
        cost.bytes / 1000,
        cost.row_us,
        cost.thousand_rows_us,
        entry.seconds,
        entry.max_difference,
    )


def _against_size(league: League) -> Markup:
    best = league.of(league.best).skill
    with pictures.figure(6.0, 2.8) as figure:
        axes = figure.subplots()
        for index, entry in enumerate(league.entries):
            error = [[entry.behind_at_most - entry.behind], [entry.behind - entry.behind_at_least]]
            color = COLORS[index % len(COLORS)]
            parameters = [entry.footprint.parameters]
            axes.errorbar(parameters, [entry.skill], yerr=error, fmt="o", color=color, capsize=3, label=entry.name)
        axes.axhline(best, color=COLORS[5], linestyle="--", linewidth=1)
        axes.set_xscale("log")
        axes.set_xlabel("parameters")
        axes.set_ylabel(league.skill)
        axes.set_title("Quality beside size; bars are the interval of the difference to the best")
        axes.legend(fontsize=7)
        return pictures.svg(figure, f"{league.skill} of each family against its number of parameters")
