"""Tries to push the model in production once more, with evidence that says it is not good enough."""

import io
import tempfile
from contextlib import redirect_stdout
from pathlib import Path

from artifacts.evidence.evidence import Evidence
from components.push_model.logic import Destination, Outputs, Release
from components.push_model.logic import push as push_model
from core.backends.local_registry import LocalRegistry
from core.decision import Bound, Decision, compare
from core.errors import MlopsError
from mlops.actions.scoring.drills.outcome import Outcome
from mlops.actions.scoring.subject import Subject
from pipelines.config import UseCase

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
    attempts = {
        "a failed evaluation": passed | {"evaluate_model": failed},
        "no evaluation": {name: one for name, one in passed.items() if name != "evaluate_model"},
    }
    try:
        accepted = [
            what for what, evidence in attempts.items() if _is_pushed(usecase, (model, examples), Evidence.of(evidence))
        ]
    except MlopsError as error:
        return Outcome(None, str(error), "mlops doctor")
    if accepted:
        return Outcome(False, f"pushed with {' and with '.join(accepted)}", _STEP)
    return Outcome(True, "refused with a failed evaluation, and without one")


def _is_pushed(usecase: UseCase, made: tuple[Path, Path], evidence: Evidence) -> bool:
    """Push a model with its examples to an empty registry; return whether it has a version then."""
    with tempfile.TemporaryDirectory(prefix="push-") as temporary:
        folder = Path(temporary)
        registry = LocalRegistry(folder / "models")
        evidence.write(folder / "evidence")
        release = Release(made[0], folder / "evidence", made[1])
        destination = Destination(usecase.name, str(registry.root), "")
        with redirect_stdout(io.StringIO()):  # a closed gate prints its decision
            reference = push_model(
                usecase.configured("push_model"), release, destination, Outputs(folder / "pushed", folder / "decision")
            )
        return bool(reference or registry.numbers(usecase.name))
