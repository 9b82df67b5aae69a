"""The key of a cached result: every change of what makes the result changes it, and nothing else does.

The changes are those of the property tests, with as many examples as were asked for.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import test_localrun_mutations as mutations
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from tests.sweeps.sweep import Sweep

_STALE = {
    "bytes of code, data and dependencies": (mutations.test_a_byte_anywhere_changes_the_key, 2),
    "files added, removed, renamed": (mutations.test_a_file_more_or_less_or_elsewhere_changes_the_key, 1),
    "values and types of parameters and metadata": (
        mutations.test_any_value_of_another_type_or_content_changes_the_key,
        2,
    ),
    "command, image, variables, interface, lock": (
        mutations.test_command_image_variables_and_interface_change_the_key,
        1,
    ),
}
"""Property and its weight."""
_NEUTRAL = mutations.test_what_does_not_make_a_result_does_not_change_its_key
_BATCH = 500


def run(sweep: Sweep) -> None:
    """Try `count` changes, and a fifth as many that change nothing."""
    weights = sum(weight for _, weight in _STALE.values())
    for what, (test, weight) in _STALE.items():
        tried, wrong = _tried(sweep, what, test, -(-sweep.count * weight // weights))
        sweep.count_of(f"changes: {what}", tried)
        sweep.exactly(f"stale hits: {what}", wrong, 0)
    tried, wrong = _tried(sweep, "neutral", _NEUTRAL, sweep.count // 5)
    sweep.count_of("neutral changes", tried)
    sweep.exactly("needless misses", wrong, 0)


def _tried(sweep: Sweep, what: str, test: Callable[..., None], wanted: int) -> tuple[int, int]:
    """Call a property with new examples until there were enough; returns how many there were, and how many failed."""
    tried = wrong = 0
    check = test.hypothesis.inner_test  # type: ignore[attr-defined]
    for number in range(wanted):
        if tried >= wanted:
            break
        folder = sweep.folder / f"{what[:5].strip()}-{number}"
        world = mutations.world_in(folder)

        def once(data: Any) -> None:
            nonlocal tried
            tried += 1
            check(world=world, data=data)  # noqa: B023 - called in this turn

        try:
            _with_examples(once, min(_BATCH, wanted - tried), sweep.seed * 1000 + number)
        except AssertionError as error:
            wrong += 1
            sweep.wrong(f"{what}: {error} {getattr(error, '__notes__', '')}")
        sweep.progress(tried, wanted, what)
        _remove(folder)
    return tried, wrong


def _with_examples(check: Callable[..., None], examples: int, number: int) -> None:
    many = settings(
        max_examples=examples, deadline=None, database=None, suppress_health_check=[*HealthCheck], derandomize=False
    )
    seed(number)(many(given(data=st.data())(check)))()


def _remove(folder: Path) -> None:
    shutil.rmtree(folder)
