"""Serves a registry, local or remote, with one of the engines."""

import gc
import math
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from core.backends.registry import Registry, open_registry
from core.digest import of_bytes
from core.durable import locked
from core.errors import RegistryError
from serving.http.policy import Policy
from serving.limits import Limits
from serving.prediction_log import converter
from serving.processes import no_network, process, supervisor
from serving.processes.channel import WorkerEnd
from serving.processes.recycling import Recycling
from serving.versions import mirror_progress
from serving.versions.mirror_progress import Progress

if TYPE_CHECKING:
    from serving.rollout.counted import Outputs
    from serving.rollout.outcome import Outcomes
    from serving.rollout.shadow import Answer as ShadowAnswer
    from serving.rollout.shadow import CopiedRequest, ShadowPlan
    from serving.tfserving.binary import Launch
    from serving.versions.loaded import Lease

_SLACK_SECONDS = 5.0
"""Added to the time to drain and finish before a process that still runs is killed."""


@dataclass(frozen=True)
class Plan:
    """What is served, and how."""

    registry: str
    """A path, or an address, which is then mirrored into a folder below `scratch`."""
    scratch: Path
    """The only folder that a server writes to."""
    names: tuple[str, ...] = ()
    """The models; all that are in production when empty."""
    workers: int = 2
    """Processes of this project's own server; TensorFlow Serving is one, with threads."""
    drain_seconds: float = 1.0
    """After SIGTERM, how long requests are still taken while readiness is off."""
    finish_seconds: float = 20.0
    """After that, how long running requests may take to finish."""
    poll_seconds: float = 1.0
    """Time between two polls of a remote registry."""
    limits: Limits = field(default_factory=Limits)
    policy: Policy = field(default_factory=Policy)
    recycling: Recycling = field(default_factory=Recycling)
    """When a worker gives way to a fresh one."""
    grpc_address: str = ""
    """`host:port` of TensorFlow Serving's gRPC services; empty: not served."""

    def worker_policy(self, workers: int) -> supervisor.WorkerPolicy:
        """Return a policy that kills processes only after their time to drain and finish."""
        stop_seconds = self.drain_seconds + self.finish_seconds + _SLACK_SECONDS
        return supervisor.WorkerPolicy(workers, stop_seconds=stop_seconds, recycling=self.recycling)


class Place(NamedTuple):
    """Where a registry's models are on this machine."""

    registry: Registry
    folder: Path
    mirrored: bool


def locate(plan: Plan) -> Place:
    """Find the folder that is served; RegistryError for an unknown kind of address."""
    scheme, separator, rest = plan.registry.partition("://")
    if not separator or scheme == "file":
        folder = Path(rest if separator else plan.registry)
        return Place(open_registry(plan.registry), folder, mirrored=False)
    # One folder per address: version 3 of one store is not version 3 of another.
    followed = of_bytes(" ".join((plan.registry, *plan.names)).encode())
    folder = plan.scratch / f"mirror-{followed.removeprefix('sha256:')[:12]}"
    return Place(open_registry(plan.registry, cache=folder), folder, mirrored=True)


def serve_with_workers(plan: Plan, listener: socket.socket) -> None:
    """Serve with this project's own server: workers that share one listening socket and their metrics."""
    place = locate(plan)
    with _shared_folder(plan) as shared:
        # Imported here: the metrics library reads its environment at import, and forks need TensorFlow imported.
        from serving import metrics  # noqa: PLC0415
        from serving.http import server  # noqa: PLC0415
        from serving.rollout.outcome import OUTCOMES, Outcomes  # noqa: PLC0415
        from serving.rollout.shadow import ShadowPlan  # noqa: PLC0415
        from serving.versions import loaded, shelf  # noqa: PLC0415

        with process.without_keras():
            from serving.models import savedmodel  # noqa: F401, PLC0415

        outcomes = Outcomes(plan.scratch / OUTCOMES)
        watched = shelf.RegistryShelf(place.folder, plan.names, outcomes.is_aborted)
        copies_in, copies_out = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        options = server.Options(
            plan.limits,
            policy=plan.policy,
            drain_seconds=plan.drain_seconds,
            finish_seconds=plan.finish_seconds,
            grpc_address=plan.grpc_address,
            counts=shared / "canaries",
            shadow=copies_in,
        )
        shadow = ShadowPlan(copies_out, watched, loaded.load_version, _answer_as_shadow(plan), shared / "canaries")

        def forget(pid: int) -> None:
            metrics.forget_worker(pid, shared)
            options.crowd.leave(pid)

        job = supervisor.Job(
            work=_without_network(plan, lambda peers: server.serve(watched, listener, options, peers)),
            sidecars=(
                *_mirrors(plan, place),
                *converter.sidecars(plan.policy.prediction_log, plan.names),
                partial(_control, plan, place, outcomes, shadow),
            ),
            on_exit=forget,
            # Also closed here when the workers stop, or late connections would wait in a queue that is never read.
            on_stop=listener.close,
        )
        # What is imported stays: without this line every garbage collection after a version was let go would go through
        # all of TensorFlow's objects and hold Python's lock for a second.
        gc.collect()
        gc.freeze()
        with converter.finishing(plan.policy.prediction_log, plan.names):
            supervisor.supervise(job, plan.worker_policy(plan.workers))


def _without_network(plan: Plan, serve: Callable[[WorkerEnd], None]) -> Callable[[WorkerEnd], None]:
    """Return the work of a process that loads models: it answers, and opens no connection itself."""

    def work(peers: WorkerEnd) -> None:
        no_network.deny_network(listens=bool(plan.grpc_address))
        serve(peers)

    return work


def serve_with_tensorflow_serving(plan: Plan, port: int) -> None:
    """Serve with TensorFlow Serving's binary; our processes fill its folder and report its health."""
    place = locate(plan)
    with _shared_folder(plan) as shared:
        from serving import metrics  # noqa: PLC0415 - as above
        from serving.tfserving import binary as tensorflow_serving  # noqa: PLC0415 - as above

        _refuse_canaries(plan, place)
        tensorflow_serving.find_binary()
        launch = tensorflow_serving.Launch(
            shared / "models.config", port, port - 1, plan.drain_seconds, plan.finish_seconds
        )
        job = supervisor.Job(
            work=lambda _: tensorflow_serving.run(launch),
            sidecars=(*_mirrors(plan, place), partial(_keep_config, plan, place, launch)),
            on_exit=lambda pid: metrics.forget_worker(pid, shared),
        )
        supervisor.supervise(job, plan.worker_policy(1))


def _refuse_canaries(plan: Plan, place: Place) -> None:
    """Raise RegistryError while a canary runs: TensorFlow Serving cannot split requests between two versions."""
    for name in plan.names or place.registry.names():
        canary = place.registry.state(name).canary
        if canary is not None:
            raise RegistryError(
                f"{name}: version {canary.to.version} is a canary: wanted a server that splits requests, got "
                f"TensorFlow Serving; serve with --engine mlops, or end it with `mlops models rollback {name}`"
            )


def _mirrors(plan: Plan, place: Place) -> tuple[Callable[[], None], ...]:
    """Return the process that mirrors a remote registry; none for a local one."""
    if not place.mirrored:
        return ()
    place.folder.mkdir(parents=True, exist_ok=True)
    if not (place.folder / mirror_progress.FILE).exists():
        mirror_progress.write(
            place.folder, Progress(whole=False, trouble=f"{plan.registry} is being read for the first time")
        )
    return (partial(_follow, plan, place),)


def _follow(plan: Plan, place: Place) -> None:
    from serving.metrics import Metrics  # noqa: PLC0415
    from serving.versions.mirror import Following, Mirror  # noqa: PLC0415

    # Two servers on one machine may share a folder; only one of them fills it.
    with locked(place.folder / ".lock", wait_seconds=math.inf):
        Mirror(place.registry, place.folder, Metrics(), Following(plan.registry, plan.names, plan.poll_seconds)).run()


def _answer_as_shadow(plan: Plan) -> "ShadowAnswer":
    """Return how the copy of a request is answered, and logged as every answer is."""
    from serving.http.inference import VersionAnswers  # noqa: PLC0415
    from serving.metrics import Metrics  # noqa: PLC0415
    from serving.prediction_log.log import PredictionLog  # noqa: PLC0415

    answers: list[VersionAnswers] = []

    def answer(lease: "Lease", copied: "CopiedRequest") -> "Outputs":
        if not answers:  # made in the process that answers
            metrics = Metrics()
            log = PredictionLog(plan.policy.prediction_log, metrics) if plan.policy.prediction_log else None
            if log is not None:
                log.start()
            answers.append(VersionAnswers(plan.limits, metrics, log))
        return answers[0].copied(lease, copied)

    return answer


def _control(plan: Plan, place: Place, outcomes: "Outcomes", shadow: "ShadowPlan") -> None:
    """Decide about canaries, and let those in shadow mode answer in a further process."""
    from serving.rollout.controller import Controlled, Controller  # noqa: PLC0415
    from serving.rollout.shadow import Shadow  # noqa: PLC0415
    from serving.rollout.shadow_host import ShadowHost  # noqa: PLC0415

    local = open_registry(str(place.folder))
    controlled = Controlled(place.registry, local, shadow.counts, outcomes, plan.names)
    Controller(controlled, shadow=ShadowHost(Shadow(shadow).run)).run()


def _keep_config(plan: Plan, place: Place, launch: "Launch") -> None:
    """Keep TensorFlow Serving's list of versions up to date, and report its health."""
    from serving.metrics import Metrics  # noqa: PLC0415
    from serving.tfserving.binary import available  # noqa: PLC0415
    from serving.tfserving.health import answer_health  # noqa: PLC0415
    from serving.tfserving.model_config import ModelConfig  # noqa: PLC0415
    from serving.versions.shelf import RegistryShelf  # noqa: PLC0415

    config = ModelConfig(
        launch.config, place.folder, RegistryShelf(place.folder, plan.names), partial(available, launch.port)
    )
    answer_health(launch.port + 1, config.waiting_for, Metrics().text)
    while True:
        config.update()
        time.sleep(1.0)


@contextmanager
def _shared_folder(plan: Plan) -> Iterator[Path]:
    """Make the folder in which this server's processes share their metrics; remove those of killed servers."""
    plan.scratch.mkdir(parents=True, exist_ok=True)
    for folder in plan.scratch.iterdir():
        if folder.name.isdecimal() and not Path(f"/proc/{folder.name}").exists():
            shutil.rmtree(folder, ignore_errors=True)
    shared = plan.scratch / str(os.getpid())
    shutil.rmtree(shared, ignore_errors=True)
    shared.mkdir()
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(shared)
    try:
        yield shared
    finally:
        shutil.rmtree(shared, ignore_errors=True)
