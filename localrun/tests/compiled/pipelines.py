"""Small pipelines that users' SDKs compile: `python pipelines.py FOLDER` writes one file per pipeline.

Everything in here is understood by kfp 2.7; each version writes its own form of it. See README.md beside this file.
"""

import sys
from pathlib import Path

from kfp import compiler, dsl
from kfp.dsl import Dataset, Input, Output, PipelineTaskFinalStatus

# Without an image of its own a component would name another Python in each version.
component = dsl.component(base_image="python:3.11", install_kfp_package=False)


@component
def add(a: int, b: int = 1) -> int:
    return a + b


@component
def total(numbers: list) -> int:
    return sum(numbers)


@component
def numbers_below(n: int) -> list:
    return list(range(n))


@component
def write(text: str, data: Output[Dataset]):
    with open(data.path, "w") as stream:
        stream.write(text)
    data.metadata["length"] = len(text)


@component
def read(data: Input[Dataset]) -> str:
    with open(data.path) as stream:
        return f"{stream.read()} {data.metadata['length']}"


@component
def fail_once(counter: str) -> int:
    from pathlib import Path

    with Path(counter).open("a") as stream:
        stream.write("x")
    if Path(counter).stat().st_size < 2:
        raise RuntimeError("the first time")
    return 2


@component
def show(value: dict, rate: float, flag: bool, names: list) -> str:
    import json

    return json.dumps([value, rate, flag, names], sort_keys=True)


@component
def end(status: PipelineTaskFinalStatus) -> str:
    return status.state


@component
def fail() -> str:
    raise RuntimeError("as planned")


@dsl.container_component
def shell(text: str, said: dsl.OutputPath(str)):
    return dsl.ContainerSpec(image="alpine:3.20", command=["sh", "-c", 'printf "%s" "$0" > "$1"'], args=[text, said])


@dsl.pipeline(name="values")
def values(rate: float = 0.5, flag: bool = True) -> str:
    return show(value={"n": [1, 2.5, "z"]}, rate=rate, flag=flag, names=["a", "b"]).output


@dsl.pipeline(name="artifacts")
def artifacts(text: str = "four") -> str:
    return read(data=write(text=text).outputs["data"]).output


@dsl.pipeline(name="inner")
def inner(n: int) -> int:
    return add(a=n, b=10).output


@dsl.pipeline(name="nested")
def nested(n: int = 1) -> int:
    return add(a=inner(n=n).output).output


@dsl.pipeline(name="branches")
def branches(n: int = 5) -> int:
    measured = add(a=n)
    with dsl.If(measured.output > 10):
        large = add(a=1000)
    with dsl.Else():
        small = add(a=0)
    return dsl.OneOf(large.output, small.output)


@dsl.pipeline(name="loops")
def loops(n: int = 3) -> int:
    with dsl.ParallelFor(numbers_below(n=n).output, parallelism=2) as item:
        one = add(a=item, b=100)
    with dsl.ParallelFor([1, 2]) as constant:
        add(a=constant)
    return total(numbers=dsl.Collected(one.output)).output


@dsl.pipeline(name="exits")
def exits() -> None:
    with dsl.ExitHandler(end()):
        fail()


@dsl.pipeline(name="retries")
def retries(counter: str) -> int:
    return fail_once(counter=counter).set_retry(1, backoff_duration="0s").output


@dsl.pipeline(name="commands")
def commands(text: str = "a 'b' $c") -> str:
    said = shell(text=text).set_caching_options(enable_caching=False)
    said.set_cpu_request("500m").set_memory_limit("256Mi").set_env_variable("A", "1")
    return said.outputs["said"]


@dsl.pipeline(name="imports")
def imports(uri: str) -> str:
    taken = dsl.importer(artifact_uri=uri, artifact_class=Dataset, metadata={"length": 7})
    return read(data=taken.output).output


PIPELINES = (values, artifacts, nested, branches, loops, exits, retries, commands, imports)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for pipeline in PIPELINES:
        compiler.Compiler().compile(pipeline, str(folder / f"{pipeline.name}.yaml"))
