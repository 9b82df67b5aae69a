"""Puts build, model and decisions together into a record, and keeps it among the releases."""

import json
from dataclasses import dataclass
from pathlib import Path

from artifacts.evidence.evidence import Evidence
from artifacts.release import documents
from artifacts.release.promotion import created
from artifacts.release.proof import About
from artifacts.release.record import Build, Release, ReleasedModel
from artifacts.release.store import Releases
from components.create_release.config import Config
from core import durable
from core.errors import CorruptArtifact


@dataclass(frozen=True)
class Candidate:
    """The files of the model that passed, and where it comes from."""

    pushed: Path
    evidence: Path
    origin: str

    @classmethod
    def at(cls, pushed: str, evidence: str, origin: str) -> "Candidate":
        """Take the paths of artifacts."""
        return cls(Path(pushed), Path(evidence), origin)


def create(config: Config, build: str, candidate: Candidate, releases: str, target: Path | str) -> str:
    """Keep the release and write a copy of its record; return its id. Repeated, it is the same release.

    Raises CorruptArtifact when nothing was pushed, or a file of the build is not among the releases.
    """
    content = json.loads(candidate.pushed.read_text(encoding="utf-8"))
    if content is None:
        raise CorruptArtifact(f"{candidate.pushed}: wanted a pushed version, got none: nothing can be released")
    model = ReleasedModel(name=content["name"], version=content["version"], digest=content["digest"])
    evidence, described = Evidence.read(candidate.evidence), Build.model_validate_json(build)
    store = Releases(releases)
    proofs = documents.proofs(evidence, described, About(described.commit, model.digest), store)
    release = Release(
        build=described,
        model=model if config.promotes == "model" else None,
        subject=model.digest,
        decisions=documents.without_documents(evidence),
        proofs=tuple(one.proof for one in proofs),
        origin=candidate.origin,
    )
    release_id = created(store, release, proofs)
    path = Path(target)
    path.parent.mkdir(parents=True, exist_ok=True)
    durable.replace(path, release.content())
    return release_id
