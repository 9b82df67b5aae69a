"""Decides what a selection may leave out; it stops no run, because all features are always within the bound."""

from collections.abc import Collection

from artifacts.selection.selection import Selection
from components.select_features.config import Config
from core.decision import Bound, Check, Decision, Verdict, compare

GATE = "select_features"


def decide(config: Config, selection: Selection, removed: Collection[str]) -> Decision:
    """Return the decision; `removed` are the features that this run trains without."""
    chosen = next(one for one in selection.methods if one.name == selection.chosen)
    name = f"{selection.skill} lost by the features of {chosen.name}, at most"
    checks = (
        compare(name, chosen.loss_at_most, Bound(at_most=config.max_loss)),
        compare(f"stability of {chosen.name} over seeds and folds", chosen.stability, Bound(config.min_stability)),
        _named("constants are left out", selection, "constant"),
        _named("twins are left out", selection, "twin"),
        _applied(config, selection, removed),
    )
    return Decision.of(GATE, checks)


def _named(rule: str, selection: Selection, verdict: str) -> Check:
    observed = ", ".join(f"{one.name} ({one.why})" for one in selection.features if one.verdict == verdict)
    return Check(rule=rule, observed=observed or "none", verdict=Verdict.PASS)


def _applied(config: Config, selection: Selection, removed: Collection[str]) -> Check:
    """Say what was left out of this run, and what module.py cannot do without."""
    if config.apply == "propose" or not selection.left_out:
        observed = f"proposed: {', '.join(selection.left_out) or 'nothing'}; apply it with `mlops features apply`"
    else:
        needed = [name for name in selection.left_out if name not in removed]
        observed = f"trained without {', '.join(removed) or 'none'}"
        observed += f"; module.py needs {', '.join(needed)}" if needed else ""
    return Check(rule="what the selection changes", observed=observed, verdict=Verdict.PASS)
