"""Draws the data gate: the checks that did not pass, and the drift of every feature relative to its threshold."""

from collections.abc import Sequence

from core import pictures
from core.decision import Check, Verdict
from core.pictures import Markup

_WIDTH, _HEIGHT = 220, 14


def draw(checks: Sequence[Check], comparisons: Sequence[Check]) -> Markup:
    """Draw the checks that did not pass, with their next steps, and each comparison as a bar up to its threshold."""
    closed = [check for check in checks if check.verdict is not Verdict.PASS]
    parts: list[str] = []
    if closed:
        rows = [[pictures.verdict(check.verdict), check.rule, check.observed, check.next_step] for check in closed]
        parts.append(pictures.table(["", "rule", "observed", "next step"], rows))
    else:
        parts.append(f"All {len(checks)} checks passed.")
    measured = [
        check for check in comparisons if isinstance(check.observed, float) and isinstance(check.threshold, float)
    ]
    if measured:
        headers = ["comparison", "observed", "threshold", "observed / threshold"]
        bars = [[check.rule.partition(" <= ")[0], check.observed, check.threshold, _bar(check)] for check in measured]
        parts.append(pictures.table(headers, bars))
    return pictures.fragment("Data gate", *parts)


def _bar(check: Check) -> Markup:
    assert isinstance(check.observed, float)
    assert isinstance(check.threshold, float)
    share = check.observed / check.threshold if check.threshold else 0.0
    color = pictures.COLORS[0] if share <= 1 else pictures.COLORS[5]
    return Markup(
        f'<svg role="img" aria-label="{share:.0%} of the threshold" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'width="{_WIDTH}" height="{_HEIGHT}">'
        f'<rect width="{_WIDTH - 20}" height="{_HEIGHT}" fill="#e3e5e8"/>'
        f'<rect width="{min(share, 1.1) * (_WIDTH - 20):.1f}" height="{_HEIGHT}" '
        f'fill="{color}"><title>{share:.0%}</title></rect></svg>'
    )
