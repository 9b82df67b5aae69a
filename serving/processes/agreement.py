"""Decides when the workers of a server change to another version: when all have loaded it, all at once."""

from dataclasses import dataclass, field
from typing import NamedTuple


class _Proposal(NamedTuple):
    version: int
    order: int


@dataclass
class Agreement:
    """Which version of each model the workers answer with; workers are known by their process ids."""

    wait_seconds: float = 30.0
    """How long a change waits for workers that have not loaded the version, after the first one has; then it is made
    without them."""
    agreed: dict[str, int] = field(default_factory=dict)
    """Model -> version."""
    stragglers: set[int] = field(default_factory=set)
    """Workers that a change did not wait for any longer; they answer with another version and must be replaced."""
    _members: set[int] = field(default_factory=set)
    _ready: set[int] = field(default_factory=set)
    _proposals: dict[int, dict[str, _Proposal]] = field(default_factory=dict)
    _pending_since: dict[str, float] = field(default_factory=dict)
    _order: int = 0

    @property
    def is_served(self) -> bool:
        """Whether a worker takes requests."""
        return bool(self._ready)

    def propose(self, worker: int, name: str, version: int) -> None:
        """Note that a worker could answer with a version, and so no longer proposes another one."""
        self._order += 1
        proposals = self._proposals.setdefault(worker, {})
        proposals[name] = _Proposal(version, self._order)
        if all(self.agreed.get(model) == proposal.version for model, proposal in proposals.items()):
            self.stragglers.discard(worker)

    def join(self, worker: int) -> None:
        """Let changes wait for a worker from now on."""
        self._members.add(worker)

    def ready(self, worker: int) -> None:
        """Note that a worker takes requests."""
        self._ready.add(worker)

    def leave(self, worker: int) -> None:
        """Forget a worker that has ended."""
        self._proposals.pop(worker, None)
        for group in (self._members, self._ready, self.stragglers):
            group.discard(worker)

    def decide(self, now: float) -> bool:
        """Change what can be changed, and return whether anything was; `now` in seconds of any clock."""
        before = dict(self.agreed)
        for name in {name for proposals in self._proposals.values() for name in proposals}:
            self._decide(name, now)
        return self.agreed != before

    def _decide(self, name: str, now: float) -> None:
        voters = self._members if self._ready else set(self._proposals)
        proposed = {
            worker: self._proposals[worker][name] for worker in voters if name in self._proposals.get(worker, {})
        }
        newest = max(proposed.values(), key=lambda proposal: proposal.order, default=None)
        if newest is None or newest.version == self.agreed.get(name):
            self._pending_since.pop(name, None)
            return
        late = {worker for worker in voters if worker not in proposed or proposed[worker].version != newest.version}
        since = self._pending_since.setdefault(name, now)
        if self._ready and late and now - since < self.wait_seconds:
            return
        self.agreed[name] = newest.version
        self._pending_since.pop(name)
        if self._ready:
            self.stragglers |= late
