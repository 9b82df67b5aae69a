"""A run of eight tasks: the runner, its warm process and the tasks themselves are disturbed."""

from pathlib import Path

from sweeps import death
from sweeps.points import Point

from tests.sweeps.faults.attempt import Tried


def all_points(folder: Path) -> tuple[death.Setting, list[Point]]:
    """Run without a fault; returns what every point shares, and the points."""
    setting = death.setting_in(folder)
    return setting, death.points(setting)


def try_point(setting: death.Setting, point: Point) -> Tried:
    """Fail there and resume; how the runner said no is not looked at here."""
    _, met, problems = death.try_point(setting, point)
    return Tried(point, met, False, "", problems)
