"""Evidence that is a file: a test report, or a model card; its digest and what follows from it are in the record."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, get_args
from xml.etree import ElementTree as ET

from pydantic import BaseModel, ConfigDict, Field

from core import digest
from core.decision import Check, Decision, Verdict
from core.errors import UsageError, did_you_mean

Kind = Literal["tests", "model_card"]
KINDS: tuple[Kind, ...] = get_args(Kind)


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
    """Read a model card in any format; it has to name the model's digest."""
    if about.model.removeprefix("sha256:").encode() not in content:
        raise UsageError(f"{name}: wanted a card that names the model {about.model}, got one without that digest")
    check = _check("the card names this model", about.model, passed=True, next_step="")
    decision = Decision.of("model_card", (check,), subject=about.model)
    return Proof(kind="model_card", digest=digest.of_bytes(content), commit="", decision=decision)


_READERS: dict[str, Callable[[bytes, str, About], Proof]] = {"tests": _tests, "model_card": _model_card}


def _count(suites: list[ET.Element], *names: str) -> int:
    return sum(int(suite.get(name) or 0) for suite in suites for name in names)


def _check(rule: str, observed: str, passed: bool, next_step: str) -> Check:
    verdict = Verdict.PASS if passed else Verdict.FAIL
    return Check(rule=rule, observed=observed, verdict=verdict, next_step="" if passed else next_step)
