"""Exit handlers, ignored failures and retries: what still happens when something went wrong."""

from conformance_case import FAILED, NEVER, SKIPPED, SUCCEEDED, case
from conformance_components import component, fail, fail_if, flaky, number, report, text, total
from kfp import dsl
from kfp.dsl import PipelineTaskFinalStatus


@case(
    {"exit-handler-1/text": SUCCEEDED, "report": SUCCEEDED},
    values={"report:Output": "exit-handler-1 SUCCEEDED without a message none"},
)
@dsl.pipeline
def exit_after_success() -> None:
    with dsl.ExitHandler(report()):
        text(words="fine")


@case(
    {
        "exit-handler-1/fail": FAILED,
        "exit-handler-1/text": NEVER,
        "exit-handler-1/text-2": SUCCEEDED,
        "report": SUCCEEDED,
    },
    state=FAILED,
    values={"report:Output": "exit-handler-1 FAILED with a message given"},
)
@dsl.pipeline
def exit_after_failure(note: str = "given") -> None:
    with dsl.ExitHandler(report(note=note)):
        text(words=fail().output)
        text(words="independent")


@case(
    {
        "exit-handler-1/for-loop-3": FAILED,
        **{f"exit-handler-1/for-loop-3[{i}]/condition-4/fail-if": [SKIPPED, FAILED, SUCCEEDED][i] for i in range(3)},
        **{f"exit-handler-1/for-loop-3[{i}]/condition-4/number": [SKIPPED, NEVER, SUCCEEDED][i] for i in range(3)},
        "exit-handler-1/total": NEVER,
        "report": SUCCEEDED,
    },
    state=FAILED,
    values={"report:Output": "exit-handler-1 FAILED with a message none"},
)
@dsl.pipeline
def failure_in_a_branch_in_a_loop_in_an_exit_handler() -> None:
    with dsl.ExitHandler(report()):
        with dsl.ParallelFor([0, 1, 2], parallelism=2) as item, dsl.If(item > 0):
            one = number(n=fail_if(n=item, bad=1).output)
        total(numbers=dsl.Collected(one.output))


@case({"exit-handler-1/text": SUCCEEDED, "fail": FAILED}, state=FAILED)
@dsl.pipeline
def failing_exit_task() -> None:
    with dsl.ExitHandler(fail()):
        text(words="fine")


@case(
    {"exit-handler-1/fail": FAILED, "exit-handler-2/text": SUCCEEDED, "report": SUCCEEDED, "report-2": SUCCEEDED},
    state=FAILED,
    values={
        "report:Output": "exit-handler-1 FAILED with a message first",
        "report-2:Output": "exit-handler-2 SUCCEEDED without a message second",
    },
)
@dsl.pipeline
def two_exit_handlers() -> None:
    with dsl.ExitHandler(report(note="first")):
        fail()
    with dsl.ExitHandler(report(note="second")):
        text(words="fine")


@component
def state_of(status: dict) -> str:
    return status["state"]


@dsl.pipeline
def clean_up(status: PipelineTaskFinalStatus) -> None:
    state = state_of(status=status)
    with dsl.If(state.output == "FAILED"):
        text(words=state.output)
    with dsl.If(state.output == "SUCCEEDED"):
        text(words=state.output)


@case(
    {
        "exit-handler-1/fail": FAILED,
        "clean-up/state-of": SUCCEEDED,
        "clean-up/condition-1/text": SUCCEEDED,
        "clean-up/condition-2/text-2": SKIPPED,
    },
    state=FAILED,
    values={"clean-up/condition-1/text:Output": "FAILED"},
)
@dsl.pipeline
def pipeline_as_exit_task() -> None:
    with dsl.ExitHandler(clean_up()):
        fail()


@dsl.pipeline
def guarded(words: str) -> None:
    with dsl.ExitHandler(report(note=words)):
        text(words=words)


@case(
    {
        **{
            f"for-loop-2[{i}]/guarded/{name}": SUCCEEDED for i in range(2) for name in ("exit-handler-1/text", "report")
        },
        "for-loop-2": SUCCEEDED,
    },
    values={"for-loop-2[1]/guarded/report:Output": "exit-handler-1 SUCCEEDED without a message b"},
)
@dsl.pipeline
def exit_handler_in_a_loop() -> None:
    with dsl.ParallelFor(["a", "b"]) as word:
        guarded(words=word)


@case(
    {"fail": FAILED, "exit-handler-1/text": NEVER, "report": SUCCEEDED},
    state=FAILED,
    values={"report:Output": "exit-handler-1 FAILED without a message none"},
)
@dsl.pipeline
def exit_handler_that_never_began() -> None:
    broken = fail()
    with dsl.ExitHandler(report()):
        text(words=broken.output)


@component
def text_or(words: str = "default") -> str:
    return words


@case(
    {"fail": FAILED, "text-or": SUCCEEDED, "text": NEVER, "text-2": SUCCEEDED},
    state=FAILED,
    values={"text-or:Output": "default", "text-2:Output": "default"},
)
@dsl.pipeline
def ignored_failure() -> None:
    broken = fail()
    known = text_or(words=broken.output).ignore_upstream_failure()
    text(words=broken.output)
    text(words=known.output)


@case({"text": SUCCEEDED, "text-or": SUCCEEDED}, outputs={"Output": "there"})
@dsl.pipeline
def nothing_to_ignore() -> str:
    return text_or(words=text(words="there").output).ignore_upstream_failure().output


@case({"fail": FAILED, "report": SUCCEEDED}, state=FAILED, values={"report:Output": "fail FAILED with a message late"})
@dsl.pipeline
def ignored_failure_with_status() -> None:
    broken = fail()
    report(note="late").after(broken).ignore_upstream_failure()


_RETRIED = {
    "for-loop-2": SUCCEEDED,
    "for-loop-2[0]/flaky": SUCCEEDED,
    "for-loop-2[1]/flaky": SUCCEEDED,
    "exit-handler-3/flaky-2": SUCCEEDED,
    "report": SUCCEEDED,
    "total": SUCCEEDED,
}


@case(
    _RETRIED,
    parameters={"folder": "{folder}"},
    attempts={"for-loop-2[0]/flaky": 2, "for-loop-2[1]/flaky": 3, "exit-handler-3/flaky-2": 2},
    values={"total:Output": 3},
    shares_disk=True,
)
@dsl.pipeline
def retries_in_loops_and_handlers(folder: str) -> None:
    with dsl.ParallelFor([1, 2]) as failures:
        tried = flaky(counter=f"{folder}/loop-{failures}", failures=failures).set_retry(2, backoff_duration="0s")
    with dsl.ExitHandler(report()):
        flaky(counter=f"{folder}/handler", failures=1).set_retry(1, backoff_duration="0s")
    total(numbers=dsl.Collected(tried.output))


@case({"fail": FAILED, "text": NEVER, "report": SUCCEEDED}, state=FAILED, attempts={"fail": 3})
@dsl.pipeline
def retries_in_vain() -> None:
    broken = fail().set_retry(2, backoff_duration="0s", backoff_factor=1.0)
    text(words=broken.output)
    report(note="late").after(broken).ignore_upstream_failure()


@dsl.pipeline
def two_steps(folder: str) -> int:
    first = flaky(counter=f"{folder}/first", failures=0)
    return flaky(counter=f"{folder}/second", failures=1).after(first).output


@case(
    {"two-steps/flaky": SUCCEEDED, "two-steps/flaky-2": SUCCEEDED, "number": SUCCEEDED},
    parameters={"folder": "{folder}"},
    attempts={"two-steps/flaky-2": 2},
    values={"number:Output": 1},
    shares_disk=True,
)
@dsl.pipeline
def retried_pipeline(folder: str) -> None:
    number(n=two_steps(folder=folder).set_retry(1, backoff_duration="0s").output)
