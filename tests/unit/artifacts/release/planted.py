"""A store with a model and one release of it, made by hand, and three environments."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from artifacts.evidence.evidence import Evidence
from artifacts.release.environment import FACTS, Environments
from artifacts.release.environment_log import Note
from artifacts.release.promotion import Offered, Promoter, created
from artifacts.release.proof import About, read_proof
from artifacts.release.record import Build, Release, ReleasedModel
from artifacts.release.store import Releases
from core import objects
from core.backends.registry import ModelVersion, open_registry
from core.decision import Check, Decision, Verdict

COMMIT = "c0ffee" + "0" * 34
GATES = ("evaluate_model", "validate_infra")
IMAGE = "ml-in-production/data"
PUSHED = f"registry.example/team/{IMAGE}@sha256:{'1' * 64}"
ALL = ("clean_tree", "images", "sboms", "tests", "model_card", *GATES)


def environments(**changes: Any) -> Environments:
    """Three environments, of which the last two demand everything; `changes` are fields of prod."""
    lax = {"requires": GATES, "waives": dict.fromkeys(FACTS, "dev takes everything")}
    strict = {"requires": ALL, "attestation": "nobody signs in a test"}
    return Environments.model_validate(
        {
            "environments": {
                "dev": lax | {"attestation": "nobody signs in a test"},
                "staging": strict | {"after": "dev"},
                "prod": strict | {"after": "staging"} | changes,
            }
        }
    )


def alone() -> Environments:
    """One environment, prod, that demands everything."""
    strict = {"requires": ALL, "attestation": "nobody signs in a test"}
    return Environments.model_validate({"environments": {"prod": strict}})


def decision(gate: str, subject: str, verdict: Verdict = Verdict.PASS) -> Decision:
    check = Check(rule="auc >= 0.6", threshold=0.6, observed=0.7, verdict=verdict, next_step="Train longer.")
    return Decision.of(gate, (check,), subject=subject)


def junit(path: Path, commit: str = COMMIT, *, failures: int = 0, tests: int = 7, skipped: int = 1) -> str:
    """Write a test report and return it as an option's value."""
    path.write_text(
        f'<testsuites><testsuite name="pytest" tests="{tests}" failures="{failures}" errors="0" skipped="{skipped}">'
        f'<properties><property name="commit" value="{commit}"/></properties></testsuite></testsuites>'
    )
    return f"tests={path}"


def card(path: Path, subject: str) -> str:
    """Write a model card and return it as an option's value."""
    path.write_text(f"# A model card\n\nOf the model {subject}.\n")
    return f"model_card={path}"


@dataclass
class Shop:
    """Releases and models below one root."""

    root: str
    scratch: Path
    environments: Environments = field(default_factory=environments)

    @property
    def releases(self) -> Releases:
        return Releases(f"{self.root}/releases")

    @property
    def promoter(self) -> Promoter:
        return Promoter(self.releases, f"{self.root}/models", self.environments)

    def model(self, weights: str = "weights") -> ModelVersion:
        """Publish a model; equal weights are the same version."""
        folder = self.scratch / f"model-{weights}"
        if not folder.exists():
            (folder / "variables").mkdir(parents=True)
            (folder / "saved_model.pb").write_text("graph")
            (folder / "variables" / "variables.index").write_text(weights)
        return open_registry(f"{self.root}/models", self.scratch / "cache").publish("m", folder, {})

    def build(self, **changes: Any) -> Build:
        releases = self.releases
        facts = {
            "usecase": "m",
            "pipeline": "level1",
            "compiled": releases.add_blob(b"compiled pipeline"),
            "configuration": releases.add_blob(b"name: m\n"),
            "images": {IMAGE: PUSHED},
            "sboms": {"data": releases.add_blob(b'{"bomFormat": "CycloneDX"}')},
            "commit": COMMIT,
            "clean": True,
        }
        return Build.model_validate(facts | changes)

    def add(self, weights: str = "weights", *, build: dict[str, Any] | None = None, **changes: Any) -> str:
        """Create a release that every environment takes, except for `changes`; return its id."""
        version = self.model(weights)
        subject = version.digest
        given = (junit(self.scratch / "report.xml"), card(self.scratch / "card.md", subject))
        proofs = tuple(read_proof(one, About(COMMIT, subject)) for one in given)
        facts = {
            "build": self.build(**(build or {})),
            "model": ReleasedModel(name="m", version=version.version, digest=subject),
            "subject": subject,
            "decisions": Evidence.of({gate: decision(gate, subject) for gate in GATES}),
            "proofs": tuple(one.proof for one in proofs),
            "origin": f"run-{weights}",
        }
        release = Release.model_validate(facts | changes)
        return created(self.releases, release, proofs)

    def promoted(self, release_id: str, *to: str) -> None:
        """Promote a release to some environments, in order."""
        for environment in to:
            self.promoter.promote(self.promoter.decide(release_id, environment, Offered()), Note("ada", "a reason"))

    def runs(self, environment: str) -> str | None:
        return self.releases.log(environment, "m").current().release

    def files(self) -> dict[str, bytes]:
        """All files by address, without the environments' logs and what a killed process left."""
        if objects.is_address(self.root):
            found = {entry.address: objects.read(entry.address) for entry in objects.walk(self.root)}
        else:
            paths = (path for path in Path(self.root).rglob("*") if path.is_file())
            found = {str(path): path.read_bytes() for path in paths if ".staging-" not in path.name}
        return {name: content for name, content in found.items() if "/environments/" not in name}

    def damage(self, name_part: str) -> str:
        """Flip one bit of the one file whose address has a part; return the address."""
        (name,) = [name for name in self.files() if name_part in name]
        content = bytearray(self.files()[name])
        content[len(content) // 2] ^= 1
        if objects.is_address(name):
            objects.write(name, bytes(content))
        else:
            Path(name).write_bytes(bytes(content))
        return name
