"""Values: types, defaults, optional inputs, placeholders, importers, containers, several outputs."""

from typing import Optional

from conformance_case import SUCCEEDED, case
from conformance_components import (
    describe,
    number,
    read,
    read_maybe,
    shell,
    show,
    show_types,
    split,
    text,
    variable,
    write,
)
from kfp import dsl
from kfp.dsl import Dataset, Input


@case(
    {"show-types": SUCCEEDED, "show": SUCCEEDED},
    parameters={"b": False, "d": {"x": 1, "y": [1.5, None]}},
    values={
        "show-types:Output": '[3, 1.0, "words", false, [1, "a"], {"x": 1, "y": [1.5, null]}]',
        "show:Output": '{"in": {"deep": ["words", 2]}, "n": 2}',
    },
)
@dsl.pipeline
def types(i: int = 3, f: float = 1.0, s: str = "words", b: bool = True, l: list = [1, "a"], d: dict = {}) -> None:
    show_types(i=i, f=f, s=s, b=b, l=l, d=d)
    show(value={"n": 2, "in": {"deep": [s, 2]}})


@dsl.pipeline
def inner_defaults(words: Optional[str] = None, n: int = 5, data: Optional[Input[Dataset]] = None) -> str:
    return read_maybe(words=words, n=n, data=data).output


@case(
    {
        "read-maybe": SUCCEEDED,
        "write": SUCCEEDED,
        "read-maybe-2": SUCCEEDED,
        "inner-defaults/read-maybe": SUCCEEDED,
        "inner-defaults-2/read-maybe": SUCCEEDED,
    },
    values={
        "read-maybe:Output": "True None 7",
        "read-maybe-2:Output": "False given 1",
        "inner-defaults/read-maybe:Output": "True None 5",
        "inner-defaults-2/read-maybe:Output": "False x 6",
    },
)
@dsl.pipeline
def optional_inputs(not_given: Optional[str] = None) -> None:
    read_maybe(words=not_given)
    data = write(words="d").outputs["data"]
    read_maybe(words="given", n=1, data=data)
    inner_defaults(words=not_given)
    inner_defaults(words="x", n=6, data=data)


@case(
    {"split": SUCCEEDED, "text": SUCCEEDED, "number": SUCCEEDED},
    values={"split:model": "WORDS", "text:Output": "w of 5", "number:Output": 5},
)
@dsl.pipeline
def several_outputs() -> None:
    parts = split(words="words")
    text(words=f"{parts.outputs['first']} of {parts.outputs['length']}")
    number(n=parts.outputs["length"])


@dsl.pipeline
def level_two(data: Input[Dataset]) -> Dataset:
    return write(words=read(data=data).output).outputs["data"]


@dsl.pipeline
def level_one(words: str) -> Dataset:
    return level_two(data=write(words=words).outputs["data"]).output


@case(
    {
        **{
            f"{one}/{name}": SUCCEEDED
            for one in ("level-one", "level-one-2")
            for name in ("write", "level-two/read", "level-two/write")
        },
        "read": SUCCEEDED,
        "read-2": SUCCEEDED,
    },
    values={"read:Output": "a/1/3", "read-2:Output": "bb/2/4"},
)
@dsl.pipeline
def pipelines_in_pipelines() -> None:
    read(data=level_one(words="a").output)
    read(data=level_one(words="bb").output)


@case(
    {"shell": SUCCEEDED, "shell-2": SUCCEEDED, "describe": SUCCEEDED, "write": SUCCEEDED, "text": SUCCEEDED},
    values={
        "shell:said": "<a> --no-extra ",
        "shell:data": "<a>",
        "shell-2:said": "<b+c d> --extra c d",
        "describe:said": "words 5",
        "text:Output": "task text of the pipeline",
    },
)
@dsl.pipeline
def containers_and_placeholders() -> None:
    shell(words="a")
    shell(words="b", extra="c d")
    describe(data=write(words="words").outputs["data"])
    text(words=f"task {dsl.PIPELINE_TASK_NAME_PLACEHOLDER} of the pipeline")


@case(
    {"write": SUCCEEDED, "importer": SUCCEEDED, "importer-2": SUCCEEDED, "read": SUCCEEDED, "read-2": SUCCEEDED},
    parameters={"uri": "{folder}/given"},
    values={"read:Output": "from outside/12", "read-2:Output": "from outside/7"},
    shares_disk=True,
)
@dsl.pipeline
def importers(uri: str, length: int = 7) -> None:
    write(words="beside")
    first = dsl.importer(artifact_uri=uri, artifact_class=Dataset, reimport=True, metadata={"length": 12})
    second = dsl.importer(artifact_uri=uri, artifact_class=Dataset, reimport=False, metadata={"length": length})
    read(data=first.output)
    read(data=second.output)


@case({"variable": SUCCEEDED, "variable-2": SUCCEEDED}, values={"variable:Output": "on", "variable-2:Output": ""})
@dsl.pipeline
def variables_and_resources() -> None:
    variable(name="CONFORMANCE").set_env_variable("CONFORMANCE", "on").set_cpu_limit("500m").set_memory_limit("256Mi")
    variable(name="CONFORMANCE").set_caching_options(False)
