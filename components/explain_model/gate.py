"""Decides whether a model's explanations can be relied on."""

from pathlib import Path

from artifacts.explanations.summary import ExplanationsSummary
from components.explain_model.config import Config
from components.explain_model.importance import Samples
from core import pictures
from core.decision import Bound, Check, Decision, Verdict, compare

GATE = "explain_model"


def decide(config: Config, summary: ExplanationsSummary, samples: Samples) -> Decision:
    """Return the decision: completeness, stability, and one check for each feature with a largest share."""
    checks = (
        _enough(config, samples),
        compare(
            "largest residual of an explanation",
            summary.residual,
            Bound(at_most=config.max_residual),
            next_step="Base and attributions do not add up to the prediction: the model's answer to a row depends on "
            "other rows or on chance (dropout or batch statistics in the exported graph), or its own signature "
            "`explain` is wrong. Export the model with training=False, or correct the signature.",
        ),
        _stable(config, samples),
        *(_share(config, summary, name) for name in config.max_share),
    )
    return Decision.of(GATE, checks, subject=summary.subject)


def closed(why: str, subject: str, drawn: Path | str) -> Decision:
    """Return the decision about a model that cannot be explained, and say so where the pictures would be."""
    pictures.write(drawn, pictures.fragment("Explanations", "The model cannot be explained:", why))
    check = Check(
        rule="the model can be explained from its background rows",
        verdict=Verdict.FAIL,
        next_step=why if why.endswith(".") else f"{why}.",
    )
    return Decision.of(GATE, (check,), subject=subject)


def _enough(config: Config, samples: Samples) -> Check:
    each = len(samples.explained) // 2
    enough = each >= config.min_rows
    return Check(
        rule=f"rows in each of two samples >= {config.min_rows}",
        threshold=float(config.min_rows),
        observed=float(each),
        verdict=Verdict.PASS if enough else Verdict.UNDECIDED,
        next_step="" if enough else "The eval split has too few rows to say what matters; evaluate on more.",
    )


def _stable(config: Config, samples: Samples) -> Check:
    name = "rank correlation of the importance in two samples"
    found = samples.stability
    if found is None:
        observed = "the model has one feature" if samples.explained else "no row"
        verdict = Verdict.PASS if samples.explained else Verdict.UNDECIDED
        return Check(rule=name, observed=observed, verdict=verdict)
    return compare(
        name,
        found,
        Bound(at_least=config.min_stability),
        next_step="Raise explain_model.rows or explain_model.pairs; if that does not help, features that stand for "
        "each other share their importance by chance: leave twins out (select_features).",
    )


def _share(config: Config, summary: ExplanationsSummary, name: str) -> Check:
    share = next((one.share for one in summary.features if one.name == name), None)
    if share is None:
        return Check(
            rule=f"share of {name} <= {config.max_share[name]:g}",
            threshold=config.max_share[name],
            observed="not an input of the model",
            verdict=Verdict.PASS,
        )
    return compare(
        f"share of {name}",
        share,
        Bound(at_most=config.max_share[name]),
        next_step=f"The model relies on {name}, which explain_model.max_share bounds: leave it out of module.py or of "
        "the environment SERVING, and look for features that stand for it.",
    )
