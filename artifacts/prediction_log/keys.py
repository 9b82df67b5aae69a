"""The key of a row and the hashes of its personal values, for those who write the log and those who write labels."""

import hashlib
import hmac
from collections.abc import Sequence

_DIGEST_BYTES = 16
_INT_BITS = 63


def row_key(values: Sequence[bytes | str | int | float | None]) -> str:
    """Join the values of a row's key columns; a value that is missing is empty.

    One value stands as it is. In several, `%` and `/` are escaped as in an address, so that no two rows share a key.
    """
    texts = ["" if value is None else _text(value) for value in values]
    if len(texts) == 1:
        return texts[0]
    return "/".join(text.replace("%", "%25").replace("/", "%2F") for text in texts)


def hashed_text(secret: bytes, feature: str, value: bytes) -> bytes:
    """Return the hash of a personal text: 32 hexadecimal digits, for one feature the same ones each time."""
    return _digest(secret, feature, value).hex().encode()


def hashed_int(secret: bytes, feature: str, value: int) -> int:
    """Return the hash of a personal number, from 0 to 2^63 - 1."""
    digest = _digest(secret, feature, b"%d" % value)
    return int.from_bytes(digest[:8], "big") & ((1 << _INT_BITS) - 1)


def is_sampled(key: str, rate: float) -> bool:
    """Whether a share of all keys has this one; the same key always gets the same answer."""
    if rate >= 1:
        return True
    digest = hashlib.blake2b(key.encode("utf-8", "surrogateescape"), digest_size=8).digest()
    return int.from_bytes(digest, "big") < rate * 2.0**64


def _digest(secret: bytes, feature: str, value: bytes) -> bytes:
    if not secret:
        raise ValueError("wanted a secret to hash personal values with, got none")
    # The name is in it, so that equal values of two features cannot be recognized.
    return hmac.digest(secret, feature.encode() + b"\0" + value, "sha256")[:_DIGEST_BYTES]


def _text(value: bytes | str | float) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
