"""Writes down why a family was chosen; it stops no run, because one contender always goes on."""

from artifacts.league.league import MODULE, League
from core.decision import Bound, Check, Decision, Verdict, compare

GATE = "search_model"


def decide(league: League, parity: float) -> Decision:
    """Return the decision; `parity` is the largest difference between a SavedModel and the model it came from."""
    chosen, best = league.of(league.chosen), league.of(league.best)
    behind = (
        f"{league.skill} of {best.name} minus {chosen.name} on span {league.held_out_span}, "
        f"lower end of the {league.confidence:.0%} interval"
    )
    checks = (
        compare(behind, chosen.behind_at_least, Bound(at_most=0.0)),
        compare(f"largest difference of {chosen.name}'s SavedModel", chosen.max_difference, Bound(at_most=parity)),
        Check(rule="what goes on", observed=_goes_on(league), verdict=Verdict.PASS),
        Check(rule="families that were left out", observed=_left_out(league), verdict=Verdict.PASS),
    )
    return Decision.of(GATE, checks)


def _goes_on(league: League) -> str:
    chosen = league.of(league.chosen)
    what = "the module's own model stays" if chosen.family == MODULE else f"{chosen.name}, trained on all spans"
    return (
        f"{what}: {chosen.footprint.parameters:,} parameters, within the noise of {league.best} "
        f"({league.skill} {chosen.skill:.4f}, the best {league.of(league.best).skill:.4f})"
    )


def _left_out(league: League) -> str:
    return "; ".join(f"{name}: {why}" for name, why in league.left_out.items()) or "none"
