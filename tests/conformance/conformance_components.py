"""Components of the conformance suite: the standard library only, so that any image with Python runs them."""

from typing import List, NamedTuple, Optional

from kfp import dsl
from kfp.dsl import Dataset, Input, Metrics, Model, Output, PipelineTaskFinalStatus

# The environment has kfp, wherever it is: a task that first installs it would need a package index in the cluster.
component = dsl.component(base_image="python:3.11", install_kfp_package=False)


@component
def number(n: int) -> int:
    return n


@component
def text(words: str) -> str:
    return words


@component
def fail(message: str = "as planned") -> str:
    raise RuntimeError(message)


@component
def fail_if(n: int, bad: int) -> int:
    if n == bad:
        raise RuntimeError(f"{n} is bad")
    return n


@component
def flaky(counter: str, failures: int) -> int:
    from pathlib import Path

    tries = Path(counter).stat().st_size if Path(counter).exists() else 0
    with Path(counter).open("a") as stream:
        stream.write("x")
    if tries < failures:
        raise RuntimeError(f"try {tries}")
    return tries


@component
def count(up_to: int) -> list:
    return list(range(up_to))


@component
def people() -> list:
    return [{"first": "Ada", "age": 36, "tools": ["loom", "pen"]}, {"first": "Alan", "age": 41, "tools": []}]


@component
def total(numbers: list) -> int:
    return sum(numbers)


@component
def total_of_lists(numbers: List[List[int]]) -> str:
    import json

    return json.dumps(numbers)


@component
def show(value: dict) -> str:
    import json

    return json.dumps(value, sort_keys=True)


@component
def show_list(value: list) -> str:
    import json

    return json.dumps(value, sort_keys=True)


@component
def show_types(i: int, f: float, s: str, b: bool, l: list, d: dict) -> str:
    import json

    return json.dumps([i, f, s, b, l, d], sort_keys=True)


@component
def write(words: str, data: Output[Dataset]):
    with open(data.path, "w") as stream:
        stream.write(words)
    data.metadata["length"] = len(words)


@component
def read(data: Input[Dataset]) -> str:
    with open(data.path) as stream:
        return f"{stream.read()}/{data.metadata.get('length')}"


@component
def read_all(data: Input[List[Dataset]]) -> str:
    found = []
    for one in data or []:  # kfp's executor makes None of an empty list
        with open(one.path) as stream:
            found.append(stream.read())
    return ",".join(found)


@component
def read_maybe(data: Optional[Input[Dataset]] = None, words: Optional[str] = None, n: int = 7) -> str:
    return f"{data is None} {words} {n}"


@component
def split(words: str, model: Output[Model], metrics: Output[Metrics]) -> NamedTuple("Parts", first=str, length=int):
    with open(model.path, "w") as stream:
        stream.write(words.upper())
    metrics.log_metric("length", len(words))
    return words[:1], len(words)


@component
def report(status: PipelineTaskFinalStatus, note: str = "none") -> str:
    said = "with a message" if status.error_message else "without a message"
    return f"{status.pipeline_task_name} {status.state} {said} {note}"


@component
def variable(name: str) -> str:
    import os

    return os.environ.get(name, "")


@component
def alone(folder: str, n: int) -> int:
    """Fail when more than two of them run at the same time."""
    import os
    import time
    from pathlib import Path

    mine = Path(folder) / f"alone-{n}-{os.getpid()}"
    mine.touch()
    beside = len(list(Path(folder).glob("alone-*")))
    time.sleep(0.05)
    mine.unlink()
    if beside > 2:
        raise RuntimeError(f"{beside} at the same time")
    return n


@dsl.container_component
def shell(words: str, data: Output[Dataset], said: dsl.OutputPath(str), extra: str = None):  # type: ignore[valid-type,assignment] # noqa: RUF013
    return dsl.ContainerSpec(
        image="alpine:3.20",
        command=[
            "sh",
            "-c",
            'mkdir -p "$(dirname "$2")" "$(dirname "$1")"; printf "%s" "$3 $4 $5" > "$1"; printf "%s" "$3" > "$2"',
            "sh",
        ],
        args=[
            said,
            data.path,
            dsl.ConcatPlaceholder(
                ["<", words, dsl.IfPresentPlaceholder("extra", then=dsl.ConcatPlaceholder(["+", extra])), ">"]
            ),
            dsl.IfPresentPlaceholder("extra", then=["--extra", extra], else_=["--no-extra"]),
        ],
    )


@dsl.container_component
def describe(data: Input[Dataset], said: dsl.OutputPath(str)):  # type: ignore[valid-type]
    return dsl.ContainerSpec(
        image="alpine:3.20",
        command=[
            "sh",
            "-c",
            'mkdir -p "$(dirname "$0")"; test "$1" = "$2" -o -n "$1"; printf "%s %s" "$(cat "$1")" "$3" > "$0"',
        ],
        args=[said, data.path, data.uri, data.metadata["length"]],
    )
