"""Moves an environment to a release, or back: the checks first, then one entry in the environment's log.

Nothing is copied and no byte of the release changes; what is written before the entry is named by its digest.
"""

from dataclasses import dataclass
from pathlib import Path

from artifacts.release.attestation import attestation_checks
from artifacts.release.checks import Presented, evidence_checks, intact_checks
from artifacts.release.environment import Environments
from artifacts.release.environment_log import Current, Move, Note
from artifacts.release.proof import About, ReadProof, read_proof
from artifacts.release.record import Release
from artifacts.release.store import Releases
from core.decision import Check, Decision, Verdict
from core.errors import CorruptArtifact, GateClosed, RegistryError, UsageError, did_you_mean

GATE = "promote_release"


@dataclass(frozen=True)
class Offered:
    """What a promotion is asked for with."""

    evidence: tuple[str, ...] = ()
    """Each as `KIND=FILE`."""
    bundle: Path | None = None
    """File with the attestations of the release."""
    again: bool = False
    """Whether a release may be promoted that was rolled back here."""


@dataclass(frozen=True)
class Decided:
    """The decision about a promotion, and the state of the environment that it was made for."""

    environment: str
    release_id: str
    decision: Decision
    current: Current
    proofs: tuple[ReadProof, ...] = ()

    def check(self) -> None:
        """Raise GateClosed, with a line for each check that does not pass."""
        closed = [check for check in self.decision.checks if check.verdict is not Verdict.PASS]
        if closed:
            raise GateClosed("\n".join(f"{self.environment}: {_line(check)}" for check in closed))


class Promoter:
    """Decides about promotions and does them, for the releases and models of one store."""

    def __init__(self, releases: Releases, registry: str, environments: Environments) -> None:
        self._releases = releases
        self._registry = registry
        self._environments = environments

    def decide(self, release_id: str, to: str, offered: Offered = Offered()) -> Decided:
        """Check a release for an environment without moving it.

        Raises UsageError for an unknown environment or evidence that cannot be used, CorruptArtifact for a record that
        was changed.
        """
        self.known(to)
        release = self._releases.get(release_id)
        about = About(release.build.commit, release.subject)
        proofs = tuple(read_proof(given, about) for given in offered.evidence)
        for proof in proofs:
            self._releases.add_blob(proof.content)
        presented = Presented(release_id, release, tuple(one.proof for one in proofs))
        current = self._releases.log(to, release.build.usecase).current()
        checks = (*self._order(presented, to, current, offered), *self._content(presented, to, offered))
        return Decided(to, release_id, Decision.of(GATE, checks, subject=release_id), current, proofs)

    def verify(self, release_id: str) -> Decision:
        """Check every byte of a release without asking what an environment demands."""
        presented = Presented(release_id, self._releases.get(release_id))
        return Decision.of(
            "verify_release", tuple(intact_checks(self._releases, self._registry, presented)), subject=release_id
        )

    def promote(self, decided: Decided, note: Note) -> Move:
        """Move the environment; GateClosed when the decision is not open, RegistryError when it moved meanwhile."""
        decided.check()
        release = self._releases.get(decided.release_id)
        log = self._releases.log(decided.environment, release.build.usecase)
        proofs = tuple(one.proof for one in decided.proofs)
        return log.promote(decided.current, decided.release_id, note, decided.decision, proofs)

    def roll_back(self, usecase: str, environment: str, note: Note, to: str | None = None) -> Move:
        """Go back to an earlier release: `to`, or the most recent one whose bytes are intact.

        Evidence is not asked for again: it was when that release was promoted. Raises RegistryError when there is none.
        """
        self.known(environment)
        log = self._releases.log(environment, usecase)
        current = log.current()
        earlier = current.move.earlier if current.move else ()
        candidates = [one for one in reversed(earlier) if one != current.release and to in (None, one)]
        for release_id in candidates:
            if self._is_intact(release_id):
                return log.roll_back(current, release_id, note)
        wanted = f"the release {to}" if to else "an earlier release"
        raise RegistryError(
            f"{environment}: wanted {wanted} of {usecase} with intact bytes to go back to, "
            f"got {', '.join(candidates) or 'none'}; see: mlops release list {usecase} --env {environment}"
        )

    def check_way(self, came_from: str, to: str) -> None:
        """Raise UsageError when an environment does not come after another one; "" stands for whichever it is."""
        self.known(to)
        after = self._environments.environments[to].after
        if came_from and came_from != after:
            raise UsageError(f"--from {came_from} --to {to}: {to} comes after {after or 'no environment'}")

    def known(self, environment: str) -> None:
        """Raise UsageError, with the nearest name, for an environment that is not declared."""
        names = self._environments.environments
        if environment not in names:
            raise UsageError(f"no environment {environment!r}{did_you_mean(environment, names)}")

    def _is_intact(self, release_id: str) -> bool:
        try:
            return self.verify(release_id).is_open
        except (CorruptArtifact, RegistryError, UsageError):
            return False

    def _order(self, presented: Presented, to: str, current: Current, offered: Offered) -> list[Check]:
        after, usecase = self._environments.environments[to].after, presented.release.build.usecase
        checks = []
        if after is not None:
            had = self._releases.log(after, usecase).current().had(presented.id)
            next_step = f"mlops release promote {presented.id[:19]} --to {after}"
            checks.append(_check(f"the release was in {after}", had, "it was" if had else "it was not", next_step))
        withdrew = current.withdrew(presented.id)
        observed = "rolled back" if withdrew else "not rolled back"
        if offered.again and withdrew:
            return [*checks, Check(rule="promoted again on purpose", observed=observed, verdict=Verdict.PASS)]
        next_step = "Create another release, or promote this one on purpose with --again."
        return [*checks, _check(f"the release was not rolled back in {to}", not withdrew, observed, next_step)]

    def _content(self, presented: Presented, to: str, offered: Offered) -> list[Check]:
        environment = self._environments.environments[to]
        return [
            *intact_checks(self._releases, self._registry, presented),
            *evidence_checks(environment, presented),
            *attestation_checks(environment.attestation, presented.release, offered.bundle),
        ]


def created(releases: Releases, release: Release, proofs: tuple[ReadProof, ...]) -> str:
    """Keep a release with the files of its evidence, the record last; return its id."""
    for proof in proofs:
        releases.add_blob(proof.content)
    return releases.add(release)


def _check(rule: str, passed: bool, observed: str, next_step: str) -> Check:
    verdict = Verdict.PASS if passed else Verdict.FAIL
    return Check(rule=rule, observed=observed, verdict=verdict, next_step="" if passed else next_step)


def _line(check: Check) -> str:
    return f"{check.rule}: {check.observed}. {check.next_step}".strip()
