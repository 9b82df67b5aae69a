"""Errors of requests and of models."""

from core.errors import MlopsError, ModelError

__all__ = ["ModelError", "RequestError", "bad_request", "not_found", "too_large"]


class RequestError(MlopsError):
    """A request that cannot be answered; `status` is HTTP's, `code` names the kind for a machine."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


def bad_request(message: str) -> RequestError:
    """A request whose content is wrong: 400."""
    return RequestError(400, "INVALID_ARGUMENT", message)


def not_found(message: str) -> RequestError:
    """A model, version or path that is not here: 404."""
    return RequestError(404, "NOT_FOUND", message)


def too_large(message: str) -> RequestError:
    """More bytes or rows than the server takes in one request: 413."""
    return RequestError(413, "TOO_LARGE", message)
