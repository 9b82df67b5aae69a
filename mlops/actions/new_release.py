"""Creates a release from a run that has ended: its compiled pipeline, its model, and the evidence about both."""

import os
from collections.abc import Sequence

from artifacts.release import documents
from artifacts.release.promotion import created
from artifacts.release.proof import About, read_proof
from artifacts.release.record import Release, ReleasedModel
from artifacts.release.store import Releases
from components.push_model.config import Config
from components.push_model.logic import Release as PushedModel
from core import digest, images
from core.backends.registry import open_registry
from core.errors import MlopsError
from core.store import Store
from mlops.actions.release import evidence_of, model_of
from mlops.runs.build import DELIVERED, build_of
from mlops.runs.history import read_run
from mlops.worlds.pinned import check_sources, compiled_pipeline
from pipelines.config import find, load


def create_release(store: Store, run_id: str, evidence: Sequence[str] = ()) -> tuple[str, Release]:
    """Create the release of a run and return its id; repeated, it is the same release.

    `evidence` are files, each as `KIND=FILE`. Raises MlopsError when the run has no model, UsageError when it is not
    of the present sources, and for evidence about something else.
    """
    run = read_run(store, run_id)
    usecase = load(find(run.submission.cli_name))
    references = images.chosen_references(os.environ, store.images)
    own = compiled_pipeline(usecase, run.submission.pipeline, store, references)
    check_sources(usecase, run.submission.pipeline, run.folder / "pipeline.yaml", own)
    config = Config.model_validate(run.submission.release)
    decisions = evidence_of(run)
    model = model_of(run, decisions, config)
    if model is None:
        raise MlopsError(f"run {run_id} has no trained model; `mlops runs show {run_id}` says where it ended")
    subject = digest.of_folder(PushedModel.at(model.uri, "", "").saved_model)
    is_with_model = usecase.configured("create_release").promotes == "model"
    build = build_of(usecase, compiled_pipeline(usecase, DELIVERED, store, references), store)
    about = About(build.commit, subject)
    given = tuple(read_proof(one, about) for one in evidence)
    proofs = (*given, *documents.proofs(decisions, build, about, Releases(store.releases)))
    release = Release(
        build=build,
        model=_published(store, usecase.name, subject, run_id) if is_with_model else None,
        subject=subject,
        decisions=documents.without_documents(decisions),
        proofs=tuple(one.proof for one in proofs),
        origin=run_id,
    )
    return created(Releases(store.releases), release, proofs), release


def _published(store: Store, name: str, subject: str, run_id: str) -> ReleasedModel:
    """Return the version in the registry that has the model of the run."""
    for version in reversed(open_registry(store.registry).versions(name)):
        if version.digest == subject:
            return ReleasedModel(name=name, version=version.version, digest=subject)
    raise MlopsError(
        f"{store.registry}: no version of {name} has the model of run {run_id} ({subject}); "
        f"push it first: mlops models push {run_id}"
    )
