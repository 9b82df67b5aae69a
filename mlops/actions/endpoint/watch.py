"""Decides about one step of a canary behind an endpoint: health, the model's own rows, errors and time.

Errors and time are compared by the rules of a canary of `mlops serve`, on what Cloud Monitoring counted since the step
began. It knows no scores, so their distributions are not compared here.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from core.backends.canary import Canary
from core.decision import Check, Decision, Verdict
from mlops.actions.endpoint.deployed import Deployed, of_version
from mlops.actions.endpoint.smoke import Smoke
from mlops.actions.endpoint.target import Target
from mlops.worlds.vertex.metrics import Answered, Metrics
from mlops.worlds.vertex.rest import Rest
from serving.rollout.comparison import Comparison
from serving.rollout.tally import Counts, Side

GATE = "endpoint_canary"
_COMPARED = frozenset({"errors", "seconds"})


@dataclass
class Step:
    """One step of a canary, which is watched by polls."""

    target: Target
    canary: Canary
    model: Deployed
    smoke: Smoke
    _comparison: Comparison = field(init=False)
    _smoked: Check | None = None

    def __post_init__(self) -> None:
        """Begin to compare."""
        self._comparison = Comparison(self.canary, _COMPARED)

    def decide(self, now: datetime) -> Decision:
        """Return the decision as of now; MlopsError when the endpoint or its metrics cannot be read."""
        models = self.target.models()
        ours = next((one for one in models if one.id == self.model.id), None)
        checks = [health(ours)]
        if ours is not None:
            if self._smoked is None or self._smoked.verdict is not Verdict.PASS:
                self._smoked = self.smoke.check(self.target.api, ours)
            checks.append(self._smoked)
        checks += self._compared(models, now)
        return Decision.of(GATE, tuple(checks), subject=self.canary.to.digest)

    def is_baked(self, now: datetime) -> bool:
        """Whether the step is as long as its plan wants."""
        return (now - datetime.fromisoformat(self.canary.since)).total_seconds() >= self.canary.plan.bake_seconds

    def _compared(self, models: list[Deployed], now: datetime) -> tuple[Check, ...]:
        since = datetime.fromisoformat(self.canary.since).astimezone(UTC)
        answered = Metrics(Rest(self.target.deployment), self.target.api.name).read(since, now)
        others = {one.id for one in models if str(one.pointer) == self.canary.against}
        tried = {one.id for one in of_version(models, self.canary.to)}
        return self._comparison.decide(counts(answered, others, tried)).checks


def health(model: Deployed | None) -> Check:
    """Check that the deployed model is there with all replicas that always run."""
    rule = "the deployed model is there, with its replicas healthy"
    if model is None:
        observed, ok = "it is not deployed any more", False
    elif model.available is None:
        observed, ok = "deployed; Vertex AI deploys a model only once its replicas are healthy", True
    else:
        observed, ok = f"{model.available} of {model.min_replicas} replicas", model.available >= model.min_replicas
    return Check(
        rule=rule,
        observed=observed,
        verdict=Verdict.PASS if ok else Verdict.FAIL,
        next_step="" if ok else "Read the container's log in Cloud Logging.",
    )


def counts(answered: Mapping[str, Answered], champion: Collection[str], canary: Collection[str]) -> Counts:
    """Return what the comparison reads, of the deployed models of the two versions."""
    edges = next((one.edges for one in answered.values() if one.edges), ())
    return Counts(champion=_side(answered, champion, edges), canary=_side(answered, canary, edges), edges=edges)


def _side(answered: Mapping[str, Answered], identities: Collection[str], edges: tuple[float, ...]) -> Side:
    side = Side(seconds=[0] * (len(edges) + 1))
    for identity in identities:
        one = answered.get(identity, Answered())
        side.ok += one.ok
        side.failed += one.failed
        if one.edges and one.edges == edges:
            side.seconds = [some + more for some, more in zip(side.seconds, one.seconds, strict=True)]
    return side
