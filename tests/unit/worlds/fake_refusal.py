"""Errors that the fake services answer."""

from tests.loopback import Answer


class Refused(Exception):
    """An error that the service answers."""

    def __init__(self, status: int, message: str, code: str = "") -> None:
        super().__init__(message)
        error = {"code": status, "message": message, **({"status": code} if code else {})}
        self.answer = Answer.of({"error": error}, status)


def check(condition: object, message: str) -> None:
    """Refuse a request that is invalid."""
    if not condition:
        raise Refused(400, message, "INVALID_ARGUMENT")
