"""A worker is replaced when it has grown, or has loaded very many versions."""

import pytest

from serving.processes.recycling import Recycling, Use

MIB = 1 << 20


@pytest.mark.parametrize(
    ("reports", "reason"),
    [
        ([], ""),
        ([(3, 200)], ""),
        ([(3, 200), (4, 209)], ""),
        ([(3, 200), (4, 209), (5, 211)], "its memory grew from 200 to 211 MiB"),
        ([(3, 200), (4, 300), (5, 205)], ""),
        ([(600, 200), (1099, 100)], ""),
        ([(600, 200), (1100, 100)], "it has loaded 500 more versions"),
    ],
)
def test_a_worker_is_replaced_for_a_reason(reports: list[tuple[int, int]], reason: str) -> None:
    use = Use()
    for loads, mebibytes in reports:
        use.report(loads, mebibytes * MIB)
    assert use.reason_to_replace(Recycling(growth=1.05, loads=500)) == reason
