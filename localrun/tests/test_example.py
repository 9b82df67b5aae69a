from collections.abc import Callable

import pytest
from kfp import dsl

from localrun import Run, RunFailed, State


@dsl.component
def mean(numbers: list) -> float:
    return sum(numbers) / len(numbers)


@dsl.component
def describe(value: float, report: dsl.Output[dsl.Markdown]):
    with open(report.path, "w") as stream:
        stream.write(f"The mean is {value}.")


@dsl.pipeline
def statistics(numbers: list) -> float:
    result = mean(numbers=numbers)
    describe(value=result.output)
    return result.output


def test_the_mean_is_reported(run_pipeline: Callable[..., Run]) -> None:
    run = run_pipeline(statistics, numbers=[1, 2, 6]).check()
    assert run.outputs.parameters == {"Output": 3.0}
    assert run.task("describe").outputs.artifacts["report"].path.read_text() == "The mean is 3.0."


def test_no_numbers_fail_with_the_reason(run_pipeline: Callable[..., Run]) -> None:
    run = run_pipeline(statistics, numbers=[])
    assert run.task("describe").state is State.UPSTREAM_FAILED
    with pytest.raises(RunFailed, match=r"mean: (.|\n)*division by zero"):
        run.check()
