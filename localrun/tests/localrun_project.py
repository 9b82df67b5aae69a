"""A small project of containerized components, and what tests ask about processes."""

import os
import re
import time
from pathlib import Path

STAGES = """
import json, os, signal, subprocess, sys, time
from pathlib import Path
from typing import NamedTuple, Optional

from kfp import dsl

IMAGE = "test/data"


@dsl.component(target_image=IMAGE)
def add(a: int, b: int = 1) -> int:
    return a + b


@dsl.component(target_image=IMAGE)
def echo(text: str) -> str:
    print("echo", text)
    return text


@dsl.component(target_image=IMAGE)
def describe(a: float, flag: bool, names: list, settings: dict, note: Optional[str] = None) -> str:
    return json.dumps([a, flag, names, settings, note], sort_keys=True)


@dsl.component(target_image=IMAGE)
def write(text: str, data: dsl.Output[dsl.Dataset], log: str = ""):
    if log:
        with open(log, "a") as stream:
            stream.write(f"write {text}\\n")
    Path(data.path).mkdir()
    (Path(data.path) / "part").write_text(text)
    data.metadata["rows"] = len(text)


@dsl.component(target_image=IMAGE)
def read(
    data: dsl.Input[dsl.Dataset], metrics: dsl.Output[dsl.Metrics], page: dsl.Output[dsl.HTML], log: str = ""
) -> str:
    if log:
        with open(log, "a") as stream:
            stream.write("read\\n")
    metrics.log_metric("rows", data.metadata["rows"])
    Path(page.path).write_text("<p>fine</p>")
    return (Path(data.path) / "part").read_text()


@dsl.component(target_image=IMAGE)
def by_path(text: str, number: dsl.OutputPath(int), copy: dsl.OutputPath("Dataset")):
    Path(number).write_text(str(len(text)))
    Path(copy).write_text(text)


@dsl.component(target_image=IMAGE)
def pair(n: int) -> NamedTuple("Pair", small=int, large=float):
    return n, n * 10.5


@dsl.component(target_image=IMAGE)
def flaky(counter: str, failures: int) -> int:
    tries = Path(counter).read_text().count("x") if Path(counter).exists() else 0
    Path(counter).write_text("x" * (tries + 1))
    if tries < failures:
        raise ValueError(f"try {tries}")
    return tries


@dsl.component(target_image=IMAGE)
def broken(decision: dsl.Output[dsl.Artifact]):
    Path(decision.path).write_text("{\\"verdict\\": \\"fail\\"}")
    print("about to fail")
    raise ValueError("the schema does not fit")


@dsl.component(target_image=IMAGE)
def meet(folder: str, me: str, other: str) -> str:
    (Path(folder) / me).touch()
    deadline = time.monotonic() + 120
    while not (Path(folder) / other).exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{me} waited alone")
        time.sleep(0.005)
    return me


@dsl.component(target_image=IMAGE)
def alone(folder: str, number: int):
    place = Path(folder, "taken")
    place.mkdir()
    time.sleep(0.02)
    place.rmdir()


@dsl.component(target_image=IMAGE)
def die(number: int):
    os.kill(os.getpid(), number)


@dsl.component(target_image=IMAGE)
def kill_host_once(marker: str) -> str:
    if not Path(marker).exists():
        Path(marker).touch()
        keeper = os.getppid()
        host = int(Path(f"/proc/{keeper}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(host, signal.SIGKILL)
        time.sleep(600)
    return "alive"


@dsl.component(target_image=IMAGE)
def linger(folder: str):
    script = "import os, signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); os.setsid(); "
    script += "open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(600)"
    subprocess.Popen([sys.executable, "-c", script, folder + "/grandchild"])
    Path(folder, "task").write_text(str(os.getpid()))
    time.sleep(600)


@dsl.component(target_image=IMAGE)
def leave_behind(folder: str):
    script = "import os, sys, time; os.setsid(); open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(600)"
    subprocess.Popen([sys.executable, "-c", script, folder + "/grandchild"])
    while not Path(folder, "grandchild").exists():
        time.sleep(0.005)


@dsl.component(target_image=IMAGE)
def hoard(megabytes: int) -> int:
    import resource

    used = int(Path("/proc/self/statm").read_text().split()[0]) * 4096
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**25, used + 2**25))
    return len(bytearray(megabytes * 2**20))


@dsl.component(target_image=IMAGE)
def stop_host():
    keeper = os.getppid()
    host = int(Path(f"/proc/{keeper}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(host, signal.SIGSTOP)
    time.sleep(600)


@dsl.component(target_image=IMAGE)
def fork_twice(folder: str):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            Path(folder, "grandchild").write_text(str(os.getpid()))
            time.sleep(600)
        os._exit(0)
    time.sleep(600)


@dsl.component(target_image=IMAGE)
def variable(name: str) -> str:
    return os.environ.get(name, "")


@dsl.component(target_image=IMAGE)
def link_out(data: dsl.Output[dsl.Dataset]):
    os.symlink("/etc/hostname", data.path)


@dsl.component(target_image=IMAGE)
def edit_source(file: str, data: dsl.Output[dsl.Dataset]):
    with open(file, "a") as stream:
        stream.write("# changed while running\\n")
    Path(data.path).write_text("x")


@dsl.component(target_image=IMAGE)
def uses_helper() -> str:
    import helper

    return helper.VALUE


@dsl.component
def lightweight(text: str) -> str:
    return text.upper()
"""
NAMES = re.findall(r"^def (\w+)", STAGES, re.MULTILINE)


def make_project(folder: Path) -> Path:
    """Write a small project of containerized components, as a container's working directory would hold it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "stages.py").write_text(STAGES)
    (folder / "kfp_config.ini").write_text("[Components]\n" + "".join(f"{name} = stages.py\n" for name in NAMES))
    return folder


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def gone(pid: int, seconds: float = 60.0) -> bool:
    """Wait until a process is gone."""
    deadline = time.monotonic() + seconds
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not is_alive(pid)


def appears(path: Path, seconds: float = 120.0) -> str:
    """Wait until a file has content and return it."""
    deadline = time.monotonic() + seconds
    while not (path.exists() and path.read_text()):
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.01)
    return path.read_text()
