"""Shadow mode: a process of its own answers copies of the champion's requests, and only compares.

Workers hand copies to the kernel and never wait: what does not fit into the socket's buffer is dropped, and counted.
"""

import logging
import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import orjson

from core.backends.canary import Canary
from core.errors import MlopsError
from serving.errors import RequestError
from serving.metrics import Metrics
from serving.processes import no_network
from serving.rollout.counted import Outputs, score_of
from serving.rollout.tally import Tally
from serving.rollout.trial import CountedTrial, stage_folder
from serving.versions.loaded import Lease
from serving.versions.shelf import Shelf, Verified
from serving.versions.split import CANARY, CHAMPION, SHADOW, Split

Load = Callable[[Verified], object]
_LARGEST = 1 << 18
"""Bytes of one copy; larger ones do not fit into the socket's buffer."""
_SAME = 1e-6
_NICENESS = 19
_LOG = logging.getLogger("serving")


class CopiedRequest(NamedTuple):
    """A request that the champion has answered."""

    model: str
    stage: int
    """Of the split."""
    verb: str
    request_id: str
    key: bytes | None
    body: bytes


Answer = Callable[[Lease, CopiedRequest], Outputs]
"""Answers the copy of a request with a version."""


class ShadowSender:
    """The workers' end; may be used from any thread."""

    def __init__(self, end: socket.socket, metrics: Metrics) -> None:
        end.setblocking(False)
        self._socket = end
        self._metrics = metrics

    def send(self, copied: CopiedRequest, outputs: Outputs) -> None:
        """Hand over a copy of a request, and what the champion answered; or drop it."""
        key = copied.key.hex() if copied.key is not None else None
        head = orjson.dumps([copied.model, copied.stage, copied.verb, copied.request_id, key, score_of(outputs)])
        try:
            self._socket.send(head + b"\n" + copied.body)
        except OSError:  # the buffer is full, or the copy is too large for it
            self._metrics.shadow_dropped.labels(copied.model).inc()


@dataclass(frozen=True)
class ShadowPlan:
    """What the process needs to answer."""

    end: socket.socket
    shelf: Shelf
    load: Load
    answer: Answer
    counts: Path


@dataclass
class Shadow:
    """The process: loads the canaries that are in shadow mode, and answers what arrives until it is ended."""

    plan: ShadowPlan
    _tried: dict[tuple[str, int], tuple[Lease, Split, CountedTrial, Tally]] = field(default_factory=dict)

    def run(self, canaries: Mapping[str, Canary]) -> None:
        """Answer forever."""
        no_network.deny_network()
        os.nice(_NICENESS)
        for model, canary in canaries.items():
            self._load(model, Split.of(model, canary))
        while True:
            self.answer(self.plan.end.recv(_LARGEST))

    def answer(self, message: bytes) -> None:
        """Answer one copy and count what came of it; copies for a canary that has ended are left."""
        head, _, body = message.partition(b"\n")
        model, stage, verb, request_id, key, score = orjson.loads(head)
        if (model, stage) not in self._tried:
            return
        lease, _, trial, tally = self._tried[model, stage]
        place = bytes.fromhex(key) if key is not None else None
        copied = CopiedRequest(model, stage, verb, request_id, place, body)
        # The champion has answered already; its score is counted here, so that both sides are of the same requests.
        mine = None
        began = trial.began(CANARY)
        try:
            mine = score_of(self.plan.answer(lease, copied))
            failed = False
        except RequestError:
            failed = True
        is_new = place is None or tally.is_new(trial.place(place))
        trial.ended(began, mine if is_new else None, None, failed=failed)
        trial.ended(trial.began(CHAMPION), score if is_new else None, None, failed=False)
        if mine is not None and score is not None:
            tally.count("compared")
            tally.count("differed", int(abs(mine - score) > _SAME * max(1.0, abs(score))))

    def _load(self, model: str, split: Split) -> None:
        tally = Tally(stage_folder(self.plan.counts, model, split))
        trial = CountedTrial(split, tally)
        trial.loads(begins=True)
        try:
            verified = self.plan.shelf.verify(model, split.version)
            loaded = self.plan.load(verified)
        except (MlopsError, OSError) as error:
            _LOG.error("%s: version %d cannot be loaded as a shadow: %s", model, split.version, error)
            trial.failed_to_load()
            return
        finally:
            trial.loads(begins=False)
        self._tried[model, split.stage] = (Lease(split.version, loaded, SHADOW), split, trial, tally)  # type: ignore[arg-type]
        _LOG.info("%s: version %d answers as a shadow", model, split.version)
