"""Recomputes digests from the served model back to data, code, parameters and decisions, and says what differs."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from artifacts.model.names import SERVING
from core import digest
from core.backends.local_registry import LocalRegistry
from core.backends.registry import ModelVersion, open_registry
from core.decision import Check, Decision, Verdict
from core.errors import CorruptArtifact, MlopsError
from core.store import Store
from mlops.actions.verification.export import INDEX, Index, inside, pushed_version, read_json
from mlops.actions.verification.sources import sources
from mlops.runs.history import read_run, submitted
from mlops.runs.record import Artifact, Run, State, Task
from mlops.worlds.localrun_record import content_digest

GATE = "verify"
_ABSENT = "absent"
"""The digest of an output that its task did not write."""


def of_run(store: Store, run_id: str) -> Decision:
    """Check a run of a store; MlopsError for a run that is not known or has not ended."""
    run = read_run(store, run_id)
    origins = [
        _check(source.what, source.digest, missing=source.missing)
        if source.missing
        else _check(source.what, source.digest, source.digest)
        for source in sources(run, store)
    ]
    return Decision.of(GATE, (*_run(run, LocalRegistry(store.models)), *origins))


def of_folder(folder: Path) -> Decision:
    """Check an exported run, by its folder alone; CorruptArtifact when its index was changed."""
    index = Index.read(folder)
    checks = [*_files(folder, index), *_listed(folder, index)]
    try:
        checks += _run(read_run(Store(folder.absolute()), index.run_id), LocalRegistry(folder.absolute() / "models"))
    except MlopsError as error:
        checks.append(_check("the record of the run", "one that can be read", str(error)))
    return Decision.of(GATE, tuple(checks))


def of_version(store: Store, name: str, number: int) -> Decision:
    """Check a version of the store's registry, and the run that pushed it; RegistryError where there is none."""
    rule = f"version {number} of {name}"
    try:
        version = open_registry(store.registry).get(name, number)
    except CorruptArtifact as error:
        return Decision.of(GATE, (_check(rule, "its manifest's files", str(error)),))
    checks = (_check(rule, version.digest, version.digest),)
    if (run_id := pushed_by(store, version)) is not None:
        return Decision.of(GATE, (*checks, *of_run(store, run_id).checks))
    unknown = _check("the run that pushed it", "a record", missing="this store has no record of it")
    return Decision.of(GATE, (*checks, unknown))


def pushed_by(store: Store, version: ModelVersion) -> str | None:
    """Return the run that pushed a version; None where the store has no record of it."""
    submission = version.about.get("submission", "")
    for run_id in submitted(store) if submission else ():
        try:
            run = read_run(store, run_id)
        except MlopsError:
            continue  # it has not ended
        if run.parameters.get("submission") == submission:
            return run_id
    return None


def _run(run: Run, registry: LocalRegistry) -> Iterator[Check]:
    made: dict[str, tuple[str, Artifact]] = {}
    for task in run.tasks:
        if task.state is State.SUCCEEDED:
            yield from _outputs(task)
            yield from _inputs(task, made)
            made |= {artifact.uri: (task.path, artifact) for artifact in task.outputs.values()}
    for task in run.tasks:
        yield from _decision(task, run)
    yield from _pushed(run, registry)


def _outputs(task: Task) -> Iterator[Check]:
    for name, artifact in task.outputs.items():
        if artifact.digest in ("", _ABSENT) or "://" in artifact.uri:
            continue
        yield _check(f"output {name} of {task.path}", artifact.digest, content_digest(artifact.path))


def _inputs(task: Task, made: dict[str, tuple[str, Artifact]]) -> Iterator[Check]:
    for name, artifact in task.inputs.items():
        if artifact.uri in made:
            producer, output = made[artifact.uri]
            yield _check(f"input {name} of {task.path} is what {producer} made", output.digest, artifact.digest)


def _decision(task: Task, run: Run) -> Iterator[Check]:
    path = task.output_file("decision")
    if path is None:
        return
    what = f"the decision of {task.path}"
    try:
        decision = Decision.read(path)  # refuses a verdict that does not follow from the checks
    except (OSError, ValidationError) as error:
        yield _check(what, "a decision whose verdict follows from its checks", str(error).splitlines()[0])
        return
    if "release" in task.parameters:
        return  # it is about the release, which names the model by the digest that is checked where it was pushed
    model = task.inputs.get("model") or run.artifact("train_model", "model")
    if decision.subject and model is not None and (model.path / SERVING).is_dir():
        yield _check(f"{what} is about the model", decision.subject, digest.of_folder(model.path / SERVING))


def _pushed(run: Run, registry: LocalRegistry) -> Iterator[Check]:
    found = pushed_version(run)
    if found is None:
        return
    name, number, pushed = found
    try:
        version = registry.get(name, number)
    except CorruptArtifact as error:
        yield _check(f"version {number} of {name}", pushed, str(error))
        return
    except MlopsError as error:
        yield _check(f"version {number} of {name}", pushed, missing=str(error))
        return
    what = f"version {number} of {name}"
    yield _check(f"{what} is the one that was pushed", pushed, version.digest)
    yield _check(f"{what} was made from the run's data", run.parameters.get("data"), version.about.get("data"))
    model = next((task.inputs.get("model") for task in run.tasks if task.stage == "push_model"), None)
    if model is not None and (model.path / SERVING).is_dir():
        got = digest.of_folder(model.path / SERVING)
        yield _check(f"{what} is the model that was evaluated", got, version.digest)
    yield from _evidence(run, version)


def _evidence(run: Run, version: ModelVersion) -> Iterator[Check]:
    """Check that a version carries the decisions that its run made.

    A run whose model was published before pushes that version, which carries the decisions of the run before.
    """
    if version.about.get("submission") != run.parameters.get("submission"):
        return
    decided = {task.stage: task.output_file("decision") for task in run.tasks if task.state is State.SUCCEEDED}
    for one in version.about.get("evidence", ()):
        decision = one["decision"]
        path = decided.get(decision["gate"])
        if path is not None:
            same = "as the run decided" if decision == read_json(path) else "another decision"
            rule = f"version {version.version} of {version.name} carries the decision of {decision['gate']}"
            yield _check(rule, "as the run decided", same)


def _files(folder: Path, index: Index) -> Iterator[Check]:
    """Check that a folder has exactly the files of its index."""
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {INDEX}
    for name in sorted(found ^ index.files.keys()):
        yield _check(
            f"file {name}", index.files.get(name, "no such file"), "missing" if name in index.files else "a file"
        )
    for name in sorted(found & index.files.keys()):
        if (content := digest.of_file(folder / name)) != index.files[name]:
            yield _check(f"file {name}", index.files[name], content)
    if found == index.files.keys():
        yield _check("files", f"{len(found)} of the export", f"{len(found)} of the export")


def _listed(folder: Path, index: Index) -> Iterator[Check]:
    for source in index.sources:
        if not source.folder:
            why = source.missing or "left out of the export (--no-data)"
            yield _check(source.what, source.digest, missing=why)
            continue
        place = folder / source.folder
        got = {name: digest.of_file(place / inside(name)) for name in source.files if (place / inside(name)).is_file()}
        yield _check(source.what, source.digest, source.digest if source.is_of(got) else digest.of_named(got))


def _check(rule: str, wanted: object, got: object = None, *, missing: str = "") -> Check:
    """Compare; what is missing cannot be checked, which is undecided."""
    if missing:
        step = "Check it out or restore it, and verify again."
        return Check(rule=rule, threshold=str(wanted), observed=missing, verdict=Verdict.UNDECIDED, next_step=step)
    verdict = Verdict.PASS if wanted == got else Verdict.FAIL
    step = "" if verdict is Verdict.PASS else f"{rule}: it is not what it was; do not rely on it."
    return Check(rule=rule, threshold=str(wanted), observed=str(got), verdict=verdict, next_step=step)
