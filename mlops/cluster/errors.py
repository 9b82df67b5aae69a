"""What can go wrong with the local cluster."""

from core.errors import MlopsError


class ClusterError(MlopsError):
    """The local cluster is not as it has to be; the message ends with the next step."""


class CommandFailed(ClusterError):
    """A program that we called is missing, said no or took too long; `said` holds its last words."""

    def __init__(self, message: str, said: str = "") -> None:
        super().__init__(message)
        self.said = said
