"""Decides whether a student goes on; it stops no run, because another model goes on in its place."""

from artifacts.distillation.distillation import Distillation
from components.distill_model.config import Config
from core.decision import Bound, Check, Decision, Verdict, compare

GATE = "distill_model"
_GOES_ON = {
    "student": "the student, trained with its teacher on all spans",
    "scratch": "the small model, trained on the labels of all spans alone: its teacher adds nothing that is sure",
    "plain": "the model of train_model: the student gains nothing that is sure",
}


def decide(config: Config, found: Distillation) -> Decision:
    """Return the decision; it is open, because what goes on is chosen so that the rule is kept."""
    student, scratch, teacher = (found.of(name) for name in ("student", "scratch", "teacher"))
    span, interval = found.held_out_span, f"lower end of the {found.confidence:.0%} interval"
    gain = f"{found.skill} of the student minus the same model from scratch on span {span}, {interval}"
    kept = found.passed == "student"
    bound = Bound(at_least=config.min_gain) if kept else Bound(at_most=config.min_gain)
    sizes = f"{student.footprint.parameters:,} of {teacher.footprint.parameters * found.members:,} parameters"
    checks = (
        compare(gain, found.gain_at_least, bound, next_step="Raise distill_model.seeds, or correct min_gain."),
        Check(rule="what goes on", observed=_GOES_ON[found.passed], verdict=Verdict.PASS),
        Check(
            rule=f"{found.skill} of teacher, student and scratch",
            observed=f"{teacher.skill:.4f}, {student.skill:.4f}, {scratch.skill:.4f}",
            verdict=Verdict.PASS,
        ),
        Check(rule="size of the student", observed=sizes, verdict=Verdict.PASS),
    )
    return Decision.of(GATE, checks)
