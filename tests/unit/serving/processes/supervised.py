"""A server of workers that do nothing but change versions: `python supervised.py FOLDER STOP_SECONDS`.

Files in the folder steer them: `version` is what the workers can answer with, `memory` what they say they use,
`unready` lets fresh workers start without ever being ready, `late` lets them join after SIGTERM, and `busy` lets them
ignore it. What happens is written to `events`, a line each.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

from serving.processes import channel, process
from serving.processes.memory import Memory
from serving.processes.recycling import Recycling
from serving.processes.supervisor import Job, WorkerPolicy, supervise

FOLDER = Path(sys.argv[1])
POLICY = WorkerPolicy(
    workers=2,
    early_seconds=0.0,
    stop_seconds=float(sys.argv[2]),
    change_seconds=2.0,
    recycling=Recycling(growth=1.5, pause_seconds=0.1, retry_seconds=0.5, start_seconds=2.0),
)


def note(**event: object) -> None:
    with (FOLDER / "events").open("a") as stream:
        stream.write(json.dumps({"pid": os.getpid(), "at": time.monotonic(), **event}) + "\n")


def read(name: str) -> int:
    return int((FOLDER / name).read_text())


def retire() -> None:
    note(event="retires")
    os._exit(0)


def work(peers: channel.WorkerEnd) -> None:
    peers.on_retire = retire
    peers.start(lambda together: note(event="answers", version=together.agreed.get("m")))
    is_late, is_busy = ((FOLDER / name).exists() for name in ("late", "busy"))
    if is_late or is_busy:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    note(event="starts")
    if (FOLDER / "unready").exists():
        time.sleep(60)
    if is_late or is_busy:
        signal.sigwait([signal.SIGTERM])
        note(event="asked")
    if is_busy:
        time.sleep(60)
    able, memory = read("version"), read("memory")
    peers.propose("m", able)
    peers.join()
    note(event="joined" if is_late else "ready")
    if is_late:
        return
    peers.ready()
    channel.in_use = lambda: Memory(memory, memory)
    peers.settled(1)
    while True:
        if able != (able := read("version")):
            peers.propose("m", able)
        if memory != (memory := read("memory")):
            peers.settled(1)
        time.sleep(0.01)


if __name__ == "__main__":
    process.log_to(sys.stderr, as_json=False)
    supervise(Job(work), POLICY)
