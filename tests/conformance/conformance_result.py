"""What a backend can tell about a run, and how that is held to a case; needs nothing but Python."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from conformance_case import FAILED, NEVER, SKIPPED, SUCCEEDED, Case


@dataclass(frozen=True)
class Result:
    """What a backend can tell about a run; None where it keeps nothing of the kind."""

    state: str
    outputs: Mapping[str, Any] | None = None
    tasks: Mapping[str, str] | None = None
    attempts: Mapping[str, int] | None = None
    values: Mapping[str, Any] | None = None
    is_flat: bool = False
    """Whether `values` are only of tasks outside of groups."""
    counts: Mapping[tuple[str, str], int] | None = None
    """(short name, state) -> number of tasks, from a backend whose names do not tell iterations apart."""


def check(case: Case, got: Result) -> None:
    """Hold a result to everything that the case expects and the backend can tell."""
    assert not list(differences(case, got))


def differences(case: Case, got: Result) -> Iterator[str]:
    """Yield what a backend did otherwise than the case expects."""
    if got.state != case.state:
        yield f"the run {got.state}, wanted {case.state}"
    if got.outputs is not None and got.outputs | case.outputs != got.outputs:
        yield f"outputs {got.outputs}, wanted {case.outputs}"
    if got.tasks is not None and got.tasks != case.tasks:
        yield f"tasks {got.tasks}, wanted {case.tasks}"
    if got.attempts is not None:
        yield from _attempts(case, got.attempts)
    if got.values is not None:
        wanted = {name: value for name, value in case.values.items() if not (got.is_flat and "/" in name)}
        found = {name: got.values.get(name) for name in wanted}
        yield from (
            f"{name} is {found[name]!r}, wanted {wanted[name]!r}" for name in wanted if found[name] != wanted[name]
        )
    if got.counts is not None:
        counts = Counter(
            (path.rpartition("/")[2], state)
            for path, state in case.tasks.items()
            if state in {SUCCEEDED, FAILED} and _runs(path)
        )
        yield from (
            f"{got.counts[key]} of {key}, wanted {counts[key]}" for key in counts if got.counts[key] != counts[key]
        )


def _attempts(case: Case, got: Mapping[str, int]) -> Iterator[str]:
    for path, state in case.tasks.items():
        if path in case.attempts:
            is_right = got[path] == case.attempts[path]
        elif state in {SKIPPED, NEVER}:
            is_right = not got[path]
        else:
            is_right = got[path] <= 1  # none where an equal task of the run had the result
        if not is_right:
            yield f"{got[path]} attempts of {path}, wanted {case.attempts.get(path, 1)}"


def _runs(path: str) -> bool:
    """Whether a path is of a task that has attempts: a loop or an importer has none."""
    return not path.rpartition("/")[2].startswith(("for-loop-", "importer"))
