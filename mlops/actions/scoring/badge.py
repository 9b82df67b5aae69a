"""The badge of a score: an SVG that needs no network."""

from html import escape

_COLORS = ((6.0, "#2e7d32"), (5.0, "#558b2f"), (3.0, "#b26a00"), (0.0, "#b3261e"))
"""Least score -> colour."""
_LEFT, _RIGHT, _HEIGHT = 98, 52, 20


def badge(score: float) -> str:
    """Return the badge."""
    color = next(color for least, color in _COLORS if score >= least)
    text = escape(f"{score:g} of 7")
    width = _LEFT + _RIGHT
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{_HEIGHT}" role="img" '
        f'aria-label="ML Test Score: {text}"><title>ML Test Score: {text}</title>'
        f'<rect width="{_LEFT}" height="{_HEIGHT}" fill="#3c4149"/>'
        f'<rect x="{_LEFT}" width="{_RIGHT}" height="{_HEIGHT}" fill="{color}"/>'
        '<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" text-anchor="middle">'
        f'<text x="{_LEFT / 2:g}" y="14">ML Test Score</text>'
        f'<text x="{_LEFT + _RIGHT / 2:g}" y="14">{text}</text></g></svg>\n'
    )
