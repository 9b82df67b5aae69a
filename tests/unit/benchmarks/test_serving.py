import pytest

from benchmarks.serving.__main__ import Case, Seen, _report


def seen(per_second: float, p99_ms: float) -> Seen:
    return Seen(per_second, 1.0, p99_ms, 1.0)


def test_medians_of_the_rounds_are_held_against_the_goals(capsys: pytest.CaptureFixture[str]) -> None:
    case = Case(1, 4)
    ours = [seen(900, 2), seen(300, 2), seen(310, 9)]
    rounds = {"ours": {case: ours}, "kserve": {case: [seen(100, 4)] * 3}, "plain": {case: [seen(150, 4)] * 3}}
    assert _report(rounds)
    assert "3.10" in capsys.readouterr().out
    slower = rounds | {"plain": {case: [seen(250, 4)] * 3}}
    assert not _report(slower)
    assert capsys.readouterr().out.count("BELOW") == 1
    later = rounds | {"plain": {case: [seen(100, 1)] * 3}}
    assert not _report(later), "more requests, but a later answer for one in a hundred"
    assert not _report({"ours": rounds["ours"]}), "nothing was compared"
