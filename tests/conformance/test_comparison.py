"""The table of docs/localrun.md says what was recorded, of every case, and what localrun does today."""

from pathlib import Path

import comparison
import probes
from conformance_backends import DIFFERS
from conformance_case import CASES


def test_the_table_is_the_one_that_the_command_writes() -> None:
    text = comparison.PAGE.read_text(encoding="utf-8")
    assert comparison.BEGIN in text
    assert text == comparison.page(text), "python tests/conformance/comparison.py writes it"


def test_every_case_is_in_the_table_for_every_sdk() -> None:
    names = {case.name for case in CASES}
    assert sorted(name for module in comparison.ROOMS.values() for name in comparison._names(module)) == sorted(names)
    assert all(set(seen["cases"]) == names for seen in comparison.recorded().values())


def test_what_the_suite_skips_as_wrong_was_recorded_as_wrong() -> None:
    cases = comparison.recorded()["2.13.0"]["cases"]
    assert {name for name, (word, _) in cases.items() if word == "wrong"} == set(DIFFERS)


def test_localrun_survives_and_proves_what_the_table_says(tmp_path: Path) -> None:
    assert probes.probed(comparison.localrun_probe, tmp_path / "probes") == comparison.SEEN_OF_LOCALRUN
