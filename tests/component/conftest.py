"""Every picture of the stages is drawn in all tests, and rendered in the first that draws it: most of its time.

A file of tests that compare pictures byte by byte says so: `COMPARES_PICTURES = True`.
"""

import html
import sys
from collections.abc import Iterator
from types import CodeType
from typing import Any

import pytest

from core import pictures

_rendered: set[tuple[CodeType, int]] = set()
"""Where a picture was rendered that is rendered no more in this process."""


@pytest.fixture(autouse=True, scope="module")
def _rendered_once(request: pytest.FixtureRequest) -> Iterator[None]:
    render = pictures.svg

    def svg(figure: Any, label: str = "") -> pictures.Markup:
        caller = sys._getframe(1)
        place = (caller.f_code, caller.f_lineno)
        if place in _rendered:
            return pictures.Markup(f'<svg role="img" aria-label="{html.escape(label)}"></svg>')
        _rendered.add(place)
        return render(figure, label)

    with pytest.MonkeyPatch.context() as patch:
        if not getattr(request.module, "COMPARES_PICTURES", False):
            patch.setattr(pictures, "svg", svg)
        yield
