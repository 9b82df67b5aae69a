"""Tries to push the model in production once more, with evidence that says it is not good enough."""

import tempfile
from pathlib import Path

from artifacts.evidence.evidence import Evidence
from components.push_model.logic import Destination, Outputs, Release
from components.push_model.logic import push as push_model
from core.backends.local_registry import LocalRegistry
from core.decision import Bound, Decision, compare
from core.errors import MlopsError
from mlops.actions.scoring.drills.outcome import Outcome
from mlops.actions.scoring.subject import Subject

_STEP = "config.yaml lets a model pass that evaluate_model did not: remove the waiver in push_model"


def refused(subject: Subject) -> Outcome:
    """Push to an empty registry with a failed evaluation, and then without one; both must be refused."""
    usecase, version = subject.usecase, subject.version
    model, examples = subject.artifact("train_model", "model"), subject.artifact("ingest_examples", "examples")
    pushed = subject.task("push_model")
    if pushed is not None and "model" in pushed.inputs:
        model = pushed.inputs["model"].path
    if version is None or model is None or examples is None or usecase.push_model is None or not model.exists():
        return Outcome(None, "no model to push", subject.run_command)
    failed = Decision.of(
        "evaluate_model", (compare("skill", 0.0, Bound(at_least=1.0), next_step="planted"),), subject=version.digest
    )
    passed = {name: one for name in usecase.push_model.requires if (one := subject.decision(name)) is not None}
    with tempfile.TemporaryDirectory(prefix="push-") as temporary:
        registry = LocalRegistry(Path(temporary) / "models")
        accepted = []
        for what, decisions in (
            ("a failed evaluation", passed | {"evaluate_model": failed}),
            ("no evaluation", {name: one for name, one in passed.items() if name != "evaluate_model"}),
        ):
            evidence, out = Path(temporary) / "evidence", Path(temporary)
            Evidence.of(decisions).write(evidence)
            try:
                reference = push_model(
                    usecase.push_model,
                    Release(model, evidence, examples),
                    Destination(usecase.name, str(registry.root), ""),
                    Outputs(out / "pushed", out / "decision"),
                )
            except MlopsError as error:
                return Outcome(None, str(error), "mlops doctor")
            if reference or registry.numbers(usecase.name):
                accepted.append(what)
    if accepted:
        return Outcome(False, f"pushed with {' and with '.join(accepted)}", _STEP)
    return Outcome(True, "refused with a failed evaluation, and without one")
