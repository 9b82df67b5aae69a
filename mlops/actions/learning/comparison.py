"""What a page shows, compared with what its commands printed.

Every line that is shown is in the output, in whatever order, since tasks end in whatever order. Numbers may differ by
a tolerance; white space does not count; `…` stands for anything, and a line of nothing else is skipped.
"""

import re
from collections.abc import Iterator
from difflib import get_close_matches

_ANYTHING = "…"
_NUMBER = re.compile(r"(?<![\w.])[-+]?\d[\d,]*(?:\.\d+)?(?:[eE][-+]?\d+)?|\d+(?:\.\d+)?")
_NUMBER_IN_OUTPUT = r"([-+]?\d[\d,]*(?:\.\d+)?(?:[eE][-+]?\d+)?)"
_COLORS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def differences(shown: str, output: str, tolerance: float) -> list[str]:
    """Return a sentence for each line that is shown and was not printed like that; `tolerance` is relative."""
    printed = [" ".join(_COLORS.sub("", line).split()) for line in output.splitlines()]
    found = (_difference(" ".join(line.split()), printed, tolerance) for line in shown.splitlines())
    return [difference for difference in found if difference]


def numbers_in(shown: str) -> int:
    """Return how many numbers a block compares."""
    return sum(len(_NUMBER.findall(line)) for line in shown.splitlines())


def _difference(line: str, printed: list[str], tolerance: float) -> str:
    """Return what is wrong with a line, or nothing."""
    if not line.replace(_ANYTHING, "").strip():
        return ""
    wanted = [number.group() for number in _NUMBER.finditer(line)]
    pattern = re.compile(_pattern(line))
    alike = [match.groups() for match in map(pattern.fullmatch, printed) if match]
    if any(_close(wanted, got, tolerance) for got in alike):
        return ""
    if alike:
        return f"{line!r}: the output has {', '.join(alike[0])} (tolerance {tolerance:.0%})"
    near = get_close_matches(line, printed, n=1, cutoff=0.5)
    return f"{line!r} is not in the output" + (f", which has {near[0]!r}" if near else "")


def _pattern(line: str) -> str:
    """Return the expression of a line with any numbers, each of them a group."""
    return "".join(_pieces(line))


def _pieces(line: str) -> Iterator[str]:
    end = 0
    for number in _NUMBER.finditer(line):
        yield _literal(line[end : number.start()])
        yield _NUMBER_IN_OUTPUT
        end = number.end()
    yield _literal(line[end:])


def _literal(text: str) -> str:
    return ".*?".join(re.escape(piece) for piece in text.split(_ANYTHING))


def _close(wanted: list[str], got: tuple[str, ...], tolerance: float) -> bool:
    return all(_near(left, right, tolerance) for left, right in zip(wanted, got, strict=True))


def _near(wanted: str, got: str, tolerance: float) -> bool:
    """Compare two numbers as they are printed; where they have decimals, the last one may differ by one."""
    left, right = (float(number.replace(",", "")) for number in (wanted, got))
    _, _, decimals = wanted.lower().partition("e")[0].partition(".")
    rounding = 1.01 * 10.0 ** -len(decimals) if decimals and "e" not in wanted.lower() else 0.0
    return abs(left - right) <= max(tolerance * max(abs(left), abs(right)), rounding)
