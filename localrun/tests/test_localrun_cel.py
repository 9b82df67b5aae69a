import pytest

from localrun.errors import ConditionError
from localrun.spec.cel import parse

P = "inputs.parameter_values['pipelinechannel--x']"


@pytest.mark.parametrize(
    ("text", "value", "wanted"),
    [
        (f"{P} == true", True, True),
        (f"!({P} == true)", True, False),
        (f"int({P}) > 2", 3, True),
        (f"int({P}) > 2", 3.0, True),
        (f"int({P}) >= 3 && int({P}) <= 3", 3, True),
        (f"{P} > 2.5", 2.5, False),
        (f"{P} < 1e3", 2.5, True),
        (f"{P} == 'heads'", "heads", True),
        (f"{P} != 'he\\'ads'", "he'ads", False),
        (f'{P} == "x\\"y"', 'x"y', True),
        (f"!({P} == 'a') && {P} != 'b'", "c", True),
        (f"!({P} == 'a') && !({P} != 'b')", "c", False),
        (f"{P} == 'a' || {P} == 'b'", "b", True),
        (f"{P} == -1.5", -1.5, True),
        (f"int({P}) == -1", -1, True),
        (f"double({P}) == 2.0", 2, True),
        (f"string({P}) == '2'", 2.0, True),
        (f"bool({P})", "true", True),
        ('inputs.parameter_values["pipelinechannel--x"] == 1', 1.0, True),
        # What stands after a decided && or || is not looked at: the value need not even fit.
        (f"{P} == 'a' && int({P}) == 1", "b", False),
        (f"((((({P} == 'a')))))", "a", True),
    ],
)
def test_decides_as_the_compiler_meant(text: str, value: object, wanted: bool) -> None:
    assert parse(text).decide({"pipelinechannel--x": value}) is wanted


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x == 1",
        f"{P} = 1",
        f"{P} == ",
        f"{P} == 'a' 'b'",
        f"{P} == 'it's'",
        f"{P} in [1, 2]",
        f"{P}.size() == 1",
        f"size({P}) == 1",
        f"{P} == 1 ? true : false",
        f"{P} + 1 == 2",
        f"has({P})",
        "inputs.artifacts['x'] == 1",
        "__import__('os').system('true')",
        f"{P} == 1 == true",
        "(" * 100 + "true" + ")" * 100,
        "!" * 100 + "true",
        f"{P} == '\\x41'",
        f"{P} == 'a\nb'",
    ],
)
def test_refuses_everything_else_when_the_pipeline_is_loaded(text: str) -> None:
    with pytest.raises(ConditionError, match="condition"):
        parse(text)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (f"{P} == true", {}),
        (f"{P} == true", {"pipelinechannel--x": "true"}),
        (f"{P} == 1", {"pipelinechannel--x": True}),
        (f"{P} > 'a'", {"pipelinechannel--x": 1}),
        (f"int({P}) == 1", {"pipelinechannel--x": "one"}),
        (f"int({P}) == 1", {"pipelinechannel--x": float("nan")}),
        (f"bool({P})", {"pipelinechannel--x": "yes"}),
        (f"{P} == true", {"pipelinechannel--x": None}),
        (f"{P} == 'a'", {"pipelinechannel--x": ["a"]}),
        (f"{P}", {"pipelinechannel--x": 1}),
        (f"!{P}", {"pipelinechannel--x": "no"}),
        (f"-{P} == 1", {"pipelinechannel--x": True}),
        (f"{P} && true", {"pipelinechannel--x": 1}),
    ],
)
def test_a_condition_that_cannot_be_decided_is_an_error_and_never_false(text: str, values: dict[str, object]) -> None:
    with pytest.raises(ConditionError, match="condition"):
        parse(text).decide(values)


def test_names_the_parameters_it_needs() -> None:
    assert parse(f"{P} == 1 || inputs.parameter_values['b'] == 2").parameters == {"pipelinechannel--x", "b"}
