"""Ids of requests, by which a client's log and the server's are joined."""

import re
import secrets
from typing import Final

HEADER: Final = "x-request-id"
"""Of a request and of its answer."""
_VALID = re.compile(r"[A-Za-z0-9._~+/=:@-]{1,128}", re.ASCII)


def request_id(given: str) -> str:
    """Take a client's id, unless it is empty or could garble a log; else make one."""
    return given if _VALID.fullmatch(given) else secrets.token_hex(8)
