"""Describes values of a request in error messages."""

from typing import Any


def show(value: Any) -> str:
    """Describe a value of a request for an error message, briefly and as JSON writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"the string {printable(value)}"
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    return f"{value!r:.60}"


def printable(text: str) -> str:
    """Quote a text of a request as ASCII, cut to 60 characters, safe for logs and JSON."""
    return ascii(text if len(text) <= 60 else text[:60] + "...")
