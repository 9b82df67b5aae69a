"""The page at `/`: the models, their versions, and a form that predicts a row; one file, nothing from elsewhere."""

import base64
import hashlib
from pathlib import Path
from typing import Final

PAGE: Final = (Path(__file__).parent / "page.html").read_text(encoding="utf-8")


def _hashes(tag: str) -> str:
    """Name the page's own scripts or styles to the browser, which then runs no other."""
    contents = [part.partition(f"</{tag}>")[0] for part in PAGE.split(f"<{tag}>")[1:]]
    digests = (base64.b64encode(hashlib.sha256(content.encode()).digest()).decode() for content in contents)
    return " ".join(f"'sha256-{digest}'" for digest in digests)


HEADERS: Final = {
    "content-security-policy": (
        f"default-src 'none'; script-src {_hashes('script')}; style-src {_hashes('style')}; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
