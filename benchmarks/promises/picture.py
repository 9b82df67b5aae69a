"""Draws measured numbers against their goals: `python -m benchmarks.promises.picture RESULT.json PICTURE.svg`."""

import html
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

_WIDTH, _LEFT, _RIGHT, _ROW, _TOP = 960, 400, 90, 30, 56
_GOAL = 0.55
"""Where the goal's line is, as a share of the space for bars."""
_KEPT, _BROKEN, _INK, _MUTED = "#2e7d5b", "#c2571a", "#1c2330", "#667085"


def drawn(result: Mapping[str, Any]) -> str:
    """Draw a bar for each goal, as long as the measured number is of the goal; what is left of the line is kept."""
    goals = result["goals"]
    machine = result["machine"]
    height = _TOP + _ROW * len(goals) + 14
    line = _LEFT + (_WIDTH - _LEFT - _RIGHT) * _GOAL
    about = f"commit {machine['revision']}, {machine['cpus']} CPUs, load {machine['load']:.1f}, {result['when'][:10]}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" font-family="system-ui, sans-serif">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>',
        _text(16, 24, "Measured, as a share of the goal", _INK, 15),
        _text(16, 42, about, _MUTED, 12),
        *_bars(goals, line),
        f'<path d="M{line:.0f} {_TOP - 6}V{height - 10}" stroke="{_INK}" stroke-dasharray="4 3"/>',
        _text(line + 6, 42, "goal", _INK, 12),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _bars(goals: Iterable[Mapping[str, Any]], line: float) -> Iterable[str]:
    for number, goal in enumerate(goals):
        y = _TOP + _ROW * number
        share = goal["measured"] / goal["at_most"]
        width = min((line - _LEFT) * share, _WIDTH - _LEFT - _RIGHT)
        color = _KEPT if goal["kept"] else _BROKEN
        yield _text(16, y + 15, goal["what"], _INK, 13)
        yield f'<rect x="{_LEFT}" y="{y}" width="{width:.1f}" height="20" rx="2" fill="{color}"/>'
        right = max(_LEFT + width, line)  # of the goal's line, so that it crosses no number
        yield _text(right + 6, y + 15, f"{goal['measured']:.3g} of {goal['at_most']:g}", _MUTED, 12)


def _text(x: float, y: float, words: str, color: str, size: int) -> str:
    return f'<text x="{x:.0f}" y="{y}" font-size="{size}" fill="{color}">{html.escape(words)}</text>'


def main() -> None:
    """Draw a result of `make bench`."""
    result = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    Path(sys.argv[2]).write_text(drawn(result), encoding="utf-8")


if __name__ == "__main__":
    main()
