"""The record of a release: everything that goes through the environments together, each part by its digest.

Its id is the digest of its content, so nothing of it can change. Its JSON Schema is `docs/release.schema.json`.
"""

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, ValidationError

from artifacts.evidence.evidence import Evidence
from artifacts.release.proof import Proof
from core import digest
from core.backends.pointer import Pointer
from core.errors import CorruptArtifact
from core.settings import Documented

Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]


class _Frozen(Documented):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class Build(_Frozen):
    """What was built from one commit, before anything was trained."""

    usecase: str
    """Name of the use case, which is also the model's."""
    pipeline: str
    """Name of the pipeline on the command line."""
    compiled: Digest
    """Of the compiled pipeline: the file that every environment runs."""
    configuration: Digest
    """Of the use case's config.yaml."""
    images: dict[str, str]
    """Name of an image -> the reference in the compiled pipeline; by digest once the image was pushed."""
    sboms: dict[str, Digest]
    """Group of an image -> its bill of materials."""
    commit: Annotated[str, Field(pattern=r"^([0-9a-f]{40})?$")]
    """Of the sources; empty where they were no checkout."""
    clean: bool
    """Whether the sources were exactly those of the commit."""

    def content(self) -> str:
        """Serialize to JSON; the same facts give the same text."""
        return self.model_copy(update={"images": _sorted(self.images), "sboms": _sorted(self.sboms)}).model_dump_json()


class ReleasedModel(_Frozen):
    """A version in the registry of models beside the releases."""

    name: str
    version: int
    digest: Digest

    @property
    def reference(self) -> str:
        """The version as the registry names it, such as `3@sha256:..`."""
        return str(Pointer(self.version, self.digest))


class Release(_Frozen):
    """One release."""

    version: Literal[1] = 1
    build: Build
    model: ReleasedModel | None
    """The model that is promoted together with the code; null where each environment trains its own."""
    subject: Digest
    """Digest of the model that the decisions are about; without a released model, that of the trial."""
    decisions: Evidence
    """What the gates decided about that model."""
    proofs: tuple[Proof, ...] = ()
    """Further evidence: test reports, a model card."""
    origin: str
    """The run that made the model, or the id of its submission."""

    def content(self) -> bytes:
        """Serialize to JSON; the release's id is the digest of this."""
        ordered = self.model_copy(update={"build": Build.model_validate_json(self.build.content())})
        return f"{ordered.model_dump_json(indent=2, exclude={'decisions': self.decisions.absent})}\n".encode()

    @property
    def id(self) -> str:
        """Digest of the record."""
        return digest.of_bytes(self.content())

    @property
    def blobs(self) -> dict[str, str]:
        """What it is made of -> digest, for each file that is kept beside the record."""
        files = {"compiled pipeline": self.build.compiled, "configuration": self.build.configuration}
        files |= {f"SBOM of {group}": one for group, one in self.build.sboms.items()}
        return files | {f"{proof.kind} {index}": proof.digest for index, proof in enumerate(self.proofs, 1)}

    @classmethod
    def parse(cls, content: bytes, wanted: str, where: str) -> Self:
        """Parse a record; CorruptArtifact, which names `where`, when it is not the one with the digest `wanted`."""
        got = digest.of_bytes(content)
        if got != wanted:
            raise CorruptArtifact(f"{where}: wanted the release {wanted}, got {got}: the record was changed")
        try:
            return cls.model_validate_json(content)
        except ValidationError as error:
            raise CorruptArtifact(f"{where}: wanted the record of a release, got {error.errors()[0]['msg']}") from None


def _sorted(named: dict[str, str]) -> dict[str, str]:
    return dict(sorted(named.items()))
