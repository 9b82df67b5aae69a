"""What releases there are, what each environment runs, and how it came to that."""

from dataclasses import dataclass
from typing import Any

from artifacts.release.environment_log import Move
from artifacts.release.record import Release
from artifacts.release.store import Releases
from core.errors import CorruptArtifact
from core.store import Store


@dataclass(frozen=True)
class InEnvironment:
    """The release that an environment runs."""

    environment: str
    release: str
    action: str
    """How it got there: `promote` or `rollback`."""
    since: str
    """ISO 8601 in UTC."""
    by: str
    why: str


def in_environments(store: Store, usecase: str) -> tuple[InEnvironment, ...]:
    """Return what each environment runs of a use case."""
    moves = running(store, usecase)
    return tuple(InEnvironment(one.environment, one.release, one.action, one.at, one.by, one.why) for one in moves)


def running(store: Store, usecase: str = "") -> list[Move]:
    """Return the newest move of each environment that has a log, of one use case or of all."""
    releases = Releases(store.releases)
    found = []
    for environment in releases.environments():
        for name in releases.usecases(environment):
            move = releases.log(environment, name).current().move
            if move is not None and usecase in ("", name):
                found.append(move)
    return found


def listed(store: Store, usecase: str = "") -> dict[str, Any]:
    """Return all releases of a use case, or of all, and what the environments run."""
    releases = Releases(store.releases)
    moves = running(store, usecase)
    rows, problems = [], []
    for release_id in releases.ids():
        try:
            release = releases.get(release_id)
        except CorruptArtifact as error:
            problems.append(str(error))
            continue
        if usecase in ("", release.build.usecase):
            rows.append(
                described(release_id, release)
                | {"runs_in": [one.environment for one in moves if one.release == release_id]}
            )
    return {
        "releases": rows,
        "environments": [move.model_dump(mode="json", exclude={"decision", "proofs", "nonce"}) for move in moves],
        "problems": problems,
    }


def described(release_id: str, release: Release) -> dict[str, Any]:
    """Return what identifies a release."""
    return {
        "id": release_id,
        "usecase": release.build.usecase,
        "pipeline": release.build.pipeline,
        "commit": release.build.commit,
        "clean": release.build.clean,
        "model": release.model.reference if release.model else None,
        "origin": release.origin,
    }


def shown(store: Store, release_id: str) -> dict[str, Any]:
    """Return a release's record, and the environments that run it."""
    release = Releases(store.releases).get(release_id)
    runs_in = [move.environment for move in running(store, release.build.usecase) if move.release == release_id]
    return {"id": release_id, "runs_in": runs_in, "record": release.model_dump(mode="json")}


def history(store: Store, usecase: str, environment: str) -> dict[str, Any]:
    """Return every move of an environment, oldest first; CorruptArtifact where its log was changed."""
    releases = Releases(store.releases)
    names = [usecase] if usecase else releases.usecases(environment)
    moves = [move for name in names for move in releases.log(environment, name).history()]
    return {"environment": environment, "moves": [move.model_dump(mode="json") for move in moves]}
