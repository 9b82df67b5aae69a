"""The errors of the local cluster."""

from core.errors import MlopsError


class ClusterError(MlopsError):
    """The local cluster cannot be used or changed; the message ends with the next step."""


class CommandFailed(ClusterError):
    """A program is missing, failed or took too long; `last_lines` is the end of its output."""

    def __init__(self, message: str, last_lines: str = "") -> None:
        super().__init__(message)
        self.last_lines = last_lines
