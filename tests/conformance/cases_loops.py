"""Loops: over constants, values and artifacts, nested, limited, empty, failing, and what is collected from them."""

from typing import List

from conformance_case import FAILED, NEVER, SKIPPED, SUCCEEDED, case
from conformance_components import (
    alone,
    count,
    fail_if,
    number,
    people,
    read,
    read_all,
    show,
    show_list,
    text,
    total,
    total_of_lists,
    write,
)
from kfp import dsl
from kfp.dsl import Dataset, Input


def _each(loop: str, names: List[str], times: int, state: str = SUCCEEDED) -> dict[str, str]:
    return {loop: SUCCEEDED, **{f"{loop}[{index}]/{name}": state for index in range(times) for name in names}}


@case(
    {**_each("for-loop-2", ["number", "text"], 3), "total": SUCCEEDED},
    outputs={"Output": 6},
    values={"for-loop-2[1]/text:Output": "item 2"},
)
@dsl.pipeline
def loop_over_constants() -> int:
    with dsl.ParallelFor([1, 2, 3]) as item:
        one = number(n=item)
        text(words=f"item {item}")
    return total(numbers=dsl.Collected(one.output)).output


@case(
    {"count": SUCCEEDED, **_each("for-loop-1", ["number"], 2), "total": SUCCEEDED},
    parameters={"n": 2},
    outputs={"Output": 1},
)
@case({"count": SUCCEEDED, "for-loop-1": SUCCEEDED, "total": SUCCEEDED}, parameters={"n": 0}, outputs={"Output": 0})
@dsl.pipeline
def loop_over_an_output(n: int) -> int:
    with dsl.ParallelFor(count(up_to=n).output) as item:
        one = number(n=item)
    return total(numbers=dsl.Collected(one.output)).output


@case(
    {"for-loop-1": SUCCEEDED, "read-all": SUCCEEDED, "text": SUCCEEDED},
    values={"read-all:Output": "", "text:Output": ""},
)
@case(
    {**_each("for-loop-1", ["write"], 2), "read-all": SUCCEEDED, "text": SUCCEEDED},
    parameters={"words": ["a", "b"]},
    values={"text:Output": "a,b"},
)
@dsl.pipeline
def collected_artifacts(words: List[str] = []) -> None:
    with dsl.ParallelFor(words) as word:
        written = write(words=word)
    text(words=read_all(data=dsl.Collected(written.outputs["data"])).output)


@case(
    {"people": SUCCEEDED, **_each("for-loop-1", ["text", "number"], 2), **_each("for-loop-3", ["text-2", "show"], 2)},
    values={
        "for-loop-1[0]/text:Output": "Ada",
        "for-loop-1[1]/number:Output": 41,
        "for-loop-3[1]/text-2:Output": "y",
        "for-loop-3[0]/show:Output": '{"a": "p", "b": "x"}',
    },
)
@dsl.pipeline
def loop_over_mappings() -> None:
    with dsl.ParallelFor(people().output) as person:
        text(words=person.first)
        number(n=person.age)
    with dsl.ParallelFor([{"a": "p", "b": "x"}, {"a": "q", "b": "y"}]) as item:
        text(words=item.b)
        show(value=item)


@case(
    {
        "people": SUCCEEDED,
        "for-loop-1": SUCCEEDED,
        "for-loop-1[0]/text": SUCCEEDED,
        "for-loop-1[1]/text": SUCCEEDED,
        "for-loop-1[0]/for-loop-2": SUCCEEDED,
        "for-loop-1[1]/for-loop-2": SUCCEEDED,
        "for-loop-1[0]/for-loop-2[0]/text-2": SUCCEEDED,
        "for-loop-1[0]/for-loop-2[1]/text-2": SUCCEEDED,
    },
    values={"for-loop-1[0]/for-loop-2[1]/text-2:Output": "pen"},
)
@dsl.pipeline
def loop_over_a_field_of_an_item() -> None:
    with dsl.ParallelFor(people().output) as person:
        text(words=person.first)
        with dsl.ParallelFor(person.tools) as tool:
            text(words=tool)


@case(
    {
        "for-loop-2": SUCCEEDED,
        **{f"for-loop-2[{i}]/for-loop-3": SUCCEEDED for i in range(2)},
        **{
            f"for-loop-2[{i}]/for-loop-3[{j}]/{name}": SUCCEEDED
            for i in range(2)
            for j in range(3)
            for name in ("number", "write")
        },
        "total-of-lists": SUCCEEDED,
        "read-all": SUCCEEDED,
    },
    parameters={"inner": [10, 20, 30]},
    values={
        "total-of-lists:Output": "[[10, 20, 30], [10, 20, 30]]",
        "read-all:Output": "a,a,a,b,b,b",
        "for-loop-2[1]/for-loop-3[2]/number:Output": 30,
    },
)
@dsl.pipeline
def nested_loops(inner: List[int]) -> None:
    with dsl.ParallelFor(["a", "b"]) as i, dsl.ParallelFor(inner) as j:
        one = number(n=j)
        written = write(words=i)
    total_of_lists(numbers=dsl.Collected(one.output))
    read_all(data=dsl.Collected(written.outputs["data"]))


@case(
    {**_each("for-loop-2", ["alone"], 6), "total": SUCCEEDED},
    parameters={"folder": "{folder}"},
    outputs={"Output": 15},
    shares_disk=True,
)
@dsl.pipeline
def limited_loop(folder: str) -> int:
    with dsl.ParallelFor([0, 1, 2, 3, 4, 5], parallelism=2) as item:
        one = alone(folder=folder, n=item)
    return total(numbers=dsl.Collected(one.output)).output


@case(
    {
        "for-loop-2": SUCCEEDED,
        **{f"for-loop-2[{i}]/condition-3/number": SUCCEEDED if i > 0 else SKIPPED for i in range(3)},
        **{f"for-loop-2[{i}]/condition-3/write": SUCCEEDED if i > 0 else SKIPPED for i in range(3)},
        "show-list": SUCCEEDED,
        "read-all": SUCCEEDED,
    },
    values={"show-list:Output": "[2, 3]", "read-all:Output": "more,more"},
)
@dsl.pipeline
def collected_where_some_were_skipped() -> None:
    with dsl.ParallelFor([1, 2, 3]) as item, dsl.If(item > 1):
        one = number(n=item)
        written = write(words="more")
    show_list(value=dsl.Collected(one.output))
    read_all(data=dsl.Collected(written.outputs["data"]))


_R = "condition-branches-3"


@case(
    {
        "for-loop-2": SUCCEEDED,
        **{f"for-loop-2[{i}]/{_R}/condition-4/text": SKIPPED if i else SUCCEEDED for i in range(2)},
        **{f"for-loop-2[{i}]/{_R}/condition-5/text-2": SUCCEEDED if i else SKIPPED for i in range(2)},
        **{f"for-loop-2[{i}]/text-3": SUCCEEDED for i in range(2)},
    },
    values={"for-loop-2[0]/text-3:Output": "one", "for-loop-2[1]/text-3:Output": "other"},
)
@dsl.pipeline
def one_of_in_a_loop() -> None:
    with dsl.ParallelFor([1, 2], parallelism=1) as item:
        with dsl.If(item == 1):
            one = text(words="one")
        with dsl.Else():
            other = text(words="other")
        text(words=dsl.OneOf(one.output, other.output))


@case(
    {
        "for-loop-2": FAILED,
        "for-loop-2[0]/fail-if": SUCCEEDED,
        "for-loop-2[0]/number": SUCCEEDED,
        "for-loop-2[1]/fail-if": FAILED,
        "for-loop-2[1]/number": NEVER,
        "for-loop-2[2]/fail-if": SUCCEEDED,
        "for-loop-2[2]/number": SUCCEEDED,
        "total": NEVER,
    },
    state=FAILED,
)
@dsl.pipeline
def one_iteration_fails() -> None:
    with dsl.ParallelFor([1, 2, 3]) as item:
        one = number(n=fail_if(n=item, bad=2).output)
    total(numbers=dsl.Collected(one.output))


@case(
    {
        "for-loop-2": SUCCEEDED,
        "for-loop-2[0]/condition-3/for-loop-5": SKIPPED,
        **{f"for-loop-2[1]/condition-3/for-loop-5{rest}": SUCCEEDED for rest in ("", "[0]/number", "[1]/number")},
    }
)
@dsl.pipeline
def loop_in_a_branch_in_a_loop() -> None:
    with (
        dsl.ParallelFor([1, 2], parallelism=1) as item,
        dsl.If(item == 2),
        dsl.ParallelFor([1, 2], parallelism=1) as inner,
    ):
        number(n=inner)


@dsl.pipeline
def read_each(data: Input[List[Dataset]]) -> str:
    with dsl.ParallelFor(items=data) as one:
        read(data=one)
    return read_all(data=data).output


@case(
    {
        **_each("for-loop-2", ["write"], 2),
        **_each("read-each/for-loop-1", ["read"], 2),
        "read-each/read-all": SUCCEEDED,
    },
    outputs={"Output": "x,yy"},
    values={"read-each/for-loop-1[1]/read:Output": "yy/2"},
)
@dsl.pipeline
def loop_over_artifacts() -> str:
    with dsl.ParallelFor(["x", "yy"]) as word:
        written = write(words=word)
    return read_each(data=dsl.Collected(written.outputs["data"])).output


@dsl.pipeline
def twice(n: int) -> int:
    return number(n=number(n=n).output).output


@case(
    {**_each("for-loop-2", ["twice/number", "twice/number-2"], 3), "total": SUCCEEDED},
    outputs={"Output": 6},
)
@dsl.pipeline
def pipeline_in_a_loop() -> int:
    with dsl.ParallelFor([1, 2, 3]) as item:
        one = twice(n=item)
    return total(numbers=dsl.Collected(one.output)).output


@case({"count": SUCCEEDED, **_each("for-loop-1", ["number"], 100), "total": SUCCEEDED}, outputs={"Output": 4950})
@dsl.pipeline
def many_iterations() -> int:
    with dsl.ParallelFor(count(up_to=100).output) as item:
        one = number(n=item)
    return total(numbers=dsl.Collected(one.output)).output
