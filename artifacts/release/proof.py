"""Evidence that is a file: a test report, a model card, or a bill of materials with the model in it.

Its digest and what follows from it are in the record.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, get_args
from xml.etree import ElementTree as ET

from pydantic import BaseModel, ConfigDict, Field

from artifacts.cards.document import Cards
from core import digest
from core.decision import Check, Decision, Verdict
from core.errors import CorruptArtifact, UsageError, did_you_mean

Kind = Literal["tests", "model_card", "model_bill"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_MARK = b'"risk_class"'
"""What the cards of `write_cards` have, and cards in other formats need not."""


class Proof(BaseModel):
    """One file of evidence, without its content."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    digest: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$", description="Of the file.")]
    commit: Annotated[str, Field(description="The commit that it is about; empty for a model card.")]
    decision: Decision


class ReadProof(NamedTuple):
    """A proof with the content of its file."""

    proof: Proof
    content: bytes


class About(NamedTuple):
    """What evidence has to be about."""

    commit: str
    model: str
    """Digest of the model."""


def read_proof(given: str, about: About) -> ReadProof:
    """Read evidence that is given as `KIND=FILE`.

    Raises UsageError for an unknown kind, a file that cannot be read, and evidence about another commit or model.
    """
    kind, separator, name = given.partition("=")
    if not separator or not name:
        raise UsageError(f"--evidence {given}: wanted KIND=FILE, such as tests=report.xml")
    if kind not in KINDS:
        raise UsageError(f"--evidence {given}: no kind of evidence {kind!r}{did_you_mean(kind, KINDS)}")
    try:
        content = Path(name).read_bytes()
    except OSError as error:
        raise UsageError(f"--evidence {given}: {error.strerror}") from None
    return ReadProof(_READERS[kind](content, name, about), content)


def proof_of(kind: Kind, content: bytes, about: About) -> ReadProof:
    """Make evidence of a content that a run left; UsageError as `read_proof`."""
    return ReadProof(_READERS[kind](content, kind, about), content)


def _tests(content: bytes, name: str, about: About) -> Proof:
    """Read a report in JUnit's format with the property `commit`."""
    try:
        root = ET.fromstring(content)  # noqa: S314 - expat limits the growth of entities, and others are not resolved
    except ET.ParseError as error:
        raise UsageError(f"{name}: wanted a test report in JUnit's format, got {error}") from None
    suites = [suite for suite in root.iter("testsuite") if suite.find("testsuite") is None]
    commits = {one.get("value", "") for one in root.iter("property") if one.get("name") == "commit"}
    if commits != {about.commit}:
        got = ", ".join(sorted(commits)) or "no property `commit`"
        raise UsageError(f"{name}: wanted a report of the tests of commit {about.commit or '(unknown)'}, got {got}")
    ran, failed = _count(suites, "tests") - _count(suites, "skipped"), _count(suites, "failures", "errors")
    checks = (
        _check("at least one test ran", f"{ran} ran", ran > 0, "Run the tests."),
        _check("no test failed", f"{failed} failed", failed == 0, "Fix them, and create another release."),
    )
    return Proof(
        kind="tests", digest=digest.of_bytes(content), commit=about.commit, decision=Decision.of("tests", checks)
    )


def _model_card(content: bytes, name: str, about: About) -> Proof:
    """Read a model card in any format, which has to name the model; cards of `write_cards` have to name sources too."""
    if about.model.removeprefix("sha256:").encode() not in content:
        raise UsageError(f"{name}: wanted a card that names the model {about.model}, got one without that digest")
    if _MARK in content and content.lstrip().startswith(b"{"):
        try:
            Cards.parse(content, name)
        except CorruptArtifact as error:
            raise UsageError(str(error)) from None
    check = _check("the card names this model", about.model, passed=True, next_step="")
    decision = Decision.of("model_card", (check,), subject=about.model)
    return Proof(kind="model_card", digest=digest.of_bytes(content), commit="", decision=decision)


def _model_bill(content: bytes, name: str, about: About) -> Proof:
    """Read a CycloneDX bill of materials that has the model with its card."""
    try:
        bom = json.loads(content)
        every = [*bom.get("components", ()), bom.get("metadata", {}).get("component") or {}]
        models = [one for one in every if one.get("type") == "machine-learning-model"]
    except (ValueError, AttributeError) as error:
        raise UsageError(f"{name}: wanted a CycloneDX bill of materials in JSON, got {error}") from None
    wanted = about.model.removeprefix("sha256:")
    hashes = {one["content"] for model in models for one in model.get("hashes", ())}
    if wanted not in hashes:
        raise UsageError(f"{name}: wanted the model {about.model} in it, got {', '.join(sorted(hashes)) or 'no model'}")
    has_card = any(model.get("modelCard") for model in models)
    check = _check(
        "the bill has the model with its card", f"{len(every)} components", has_card, "Write it with write_cards."
    )
    decision = Decision.of("model_bill", (check,), subject=about.model)
    return Proof(kind="model_bill", digest=digest.of_bytes(content), commit="", decision=decision)


_READERS: dict[str, Callable[[bytes, str, About], Proof]] = {
    "tests": _tests,
    "model_card": _model_card,
    "model_bill": _model_bill,
}


def _count(suites: list[ET.Element], *names: str) -> int:
    return sum(int(suite.get(name) or 0) for suite in suites for name in names)


def _check(rule: str, observed: str, passed: bool, next_step: str) -> Check:
    verdict = Verdict.PASS if passed else Verdict.FAIL
    return Check(rule=rule, observed=observed, verdict=verdict, next_step="" if passed else next_step)
