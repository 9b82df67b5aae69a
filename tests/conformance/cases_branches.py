"""Branches: taken, not taken, nested, and what comes out of them."""

from conformance_case import FAILED, NEVER, SKIPPED, SUCCEEDED, case
from conformance_components import fail, number, read, text, write
from kfp import dsl
from kfp.dsl import Dataset

_B = "condition-branches-1"


def _branches(one: str, two: str, three: str) -> dict[str, str]:
    return {
        "number": SUCCEEDED,
        f"{_B}/condition-2/text": one,
        f"{_B}/condition-3/text-2": two,
        f"{_B}/condition-4/text-3": three,
        "text-4": SUCCEEDED,
    }


@case(
    _branches(SKIPPED, SKIPPED, SUCCEEDED),
    parameters={"n": 0},
    outputs={"Output": "small"},
    values={"text-4:Output": "small"},
)
@case(
    _branches(SKIPPED, SUCCEEDED, SKIPPED),
    parameters={"n": 5},
    outputs={"Output": "middle"},
    values={"text-4:Output": "middle"},
)
@case(
    _branches(SUCCEEDED, SKIPPED, SKIPPED),
    parameters={"n": 50},
    outputs={"Output": "large"},
    values={"text-4:Output": "large"},
)
@dsl.pipeline
def if_elif_else(n: int) -> str:
    measured = number(n=n)
    with dsl.If(measured.output > 10):
        large = text(words="large")
    with dsl.Elif(measured.output > 1):
        middle = text(words="middle")
    with dsl.Else():
        small = text(words="small")
    chosen = dsl.OneOf(large.output, middle.output, small.output)
    text(words=chosen)
    return chosen


def _artifacts(left: str, right: str) -> dict[str, str]:
    return {f"{_B}/condition-2/write": left, f"{_B}/condition-3/write-2": right, "read": SUCCEEDED}


@case(_artifacts(SUCCEEDED, SKIPPED), parameters={"left": True}, values={"read:Output": "left/4"})
@case(_artifacts(SKIPPED, SUCCEEDED), parameters={"left": False}, values={"read:Output": "right/5"})
@dsl.pipeline
def one_of_artifacts(left: bool) -> Dataset:
    with dsl.If(left == True):  # noqa: E712 - kfp overloads ==
        one = write(words="left")
    with dsl.Else():
        two = write(words="right")
    chosen = dsl.OneOf(one.outputs["data"], two.outputs["data"])
    read(data=chosen)
    return chosen


@case(
    {
        "number": SUCCEEDED,
        "condition-1/text": SUCCEEDED,
        "condition-1/condition-2/text-2": SKIPPED,
        "condition-1/condition-2/condition-3/text-3": SKIPPED,
        "condition-1/condition-4/text-4": SUCCEEDED,
    }
)
@dsl.pipeline
def nested_branches(word: str = "yes", rate: float = 0.5) -> None:
    one = number(n=1)
    with dsl.If(word == "yes"):
        said = text(words="outer")
        with dsl.If(rate > 0.75):
            text(words="inner")
            with dsl.If(one.output == 1):
                text(words="innermost")
        with dsl.If(said.output != word):
            text(words="other")


@case(
    {"fail": FAILED, "condition-1/text": NEVER, "condition-1/condition-2/text-2": NEVER, "text-3": SUCCEEDED},
    state=FAILED,
)
@dsl.pipeline
def condition_on_a_failure(flag: bool = True) -> None:
    broken = fail()
    with dsl.If(broken.output == "x"):
        text(words="a")
        with dsl.If(flag == True):  # noqa: E712
            text(words="b")
    text(words="independent")


@dsl.pipeline
def pick(n: int) -> str:
    with dsl.If(n == 1):
        one = text(words="one")
    with dsl.Else():
        other = text(words="other")
    return dsl.OneOf(one.output, other.output)


@case(
    {
        "pick/condition-branches-1/condition-2/text": SUCCEEDED,
        "pick/condition-branches-1/condition-3/text-2": SKIPPED,
        "pick-2/condition-branches-1/condition-2/text": SKIPPED,
        "pick-2/condition-branches-1/condition-3/text-2": SUCCEEDED,
        "text": SUCCEEDED,
    },
    outputs={"Output": "one other"},
)
@dsl.pipeline
def branches_inside_pipelines() -> str:
    return text(words=f"{pick(n=1).output} {pick(n=2).output}").output
