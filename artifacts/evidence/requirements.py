"""The requirements of a release: the gates that must have passed this model."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from artifacts.evidence.evidence import Entry, Evidence
from core.decision import Check, Verdict

_AGAIN = "Run the pipeline again."


@dataclass(frozen=True)
class Requirements:
    """The gates that must pass, and those that are waived, each with its reason; no other gates are allowed."""

    requires: tuple[str, ...]
    waives: Mapping[str, str] = field(default_factory=dict)

    def checks(self, evidence: Evidence, subject: str) -> tuple[Check, ...]:
        """Compare the evidence with the requirements; `subject` is the digest of the model to release."""
        checks: list[Check] = []
        for gate in self.requires:
            checks += _required(gate, evidence, subject)
        checks += [_waived(gate, reason, evidence) for gate, reason in self.waives.items()]
        return (*checks, *self._unknown(evidence))

    def _unknown(self, evidence: Evidence) -> Iterator[Check]:
        known = {*self.requires, *self.waives}
        for entry in evidence.entries:
            gate = entry.decision.gate
            if gate not in known:
                yield Check(
                    rule=f"{entry.name} comes from a required or waived gate",
                    threshold=", ".join(sorted(known)),
                    observed=gate,
                    verdict=Verdict.FAIL,
                    next_step=f"Add {gate} to push_model.requires in config.yaml, or to waives with a reason.",
                )


def _required(gate: str, evidence: Evidence, subject: str) -> Iterator[Check]:
    """Yield one check per decision of a gate about the model, or one that does not pass when there is none."""
    entries = list(evidence.of_gate(gate))
    own_entries = [entry for entry in entries if entry.decision.subject == subject]
    if own_entries:
        yield from (_passed(entry) for entry in own_entries)
    elif entries:
        others = ", ".join(sorted({entry.decision.subject or "no model" for entry in entries}))
        yield _closed(f"{gate} decided about this model", subject, f"it decided about {others}", Verdict.FAIL)
    else:
        yield _closed(f"{gate} decided about this model", subject, "no decision", Verdict.UNDECIDED)


def _closed(rule: str, subject: str, observed: str, verdict: Verdict) -> Check:
    return Check(rule=rule, threshold=subject, observed=observed, verdict=verdict, next_step=_AGAIN)


def _passed(entry: Entry) -> Check:
    decision = entry.decision
    own_name = "" if entry.name == decision.gate else f" ({entry.name})"
    return Check(
        rule=f"{decision.gate}{own_name} passes this model",
        observed=f"{decision.verdict}: {decision.summary}",
        verdict=decision.verdict,
        next_step="" if decision.is_open else decision.next_step or _AGAIN,
    )


def _waived(gate: str, reason: str, evidence: Evidence) -> Check:
    """Return a check that always passes, with the decision of a waived gate."""
    decisions = ", ".join(f"{entry.decision.verdict}: {entry.decision.summary}" for entry in evidence.of_gate(gate))
    return Check(rule=f"{gate} is waived: {reason}", observed=decisions or "no decision", verdict=Verdict.PASS)
