"""The errors of localrun: each says where, what was wanted, what was got and what to do next."""

from collections.abc import Iterable
from difflib import get_close_matches


class LocalrunError(Exception):
    """Base of all errors with a message for the caller."""


class InvalidPipeline(LocalrunError):
    """The file is no compiled pipeline, or contradicts itself."""


class UnsupportedPipeline(LocalrunError):
    """The pipeline is valid, but asks for something that this runner does not do; nothing has run."""


class ParameterError(LocalrunError):
    """A value does not fit the type that the pipeline declares."""


class ConditionError(LocalrunError):
    """A condition cannot be decided; it counts as a failure, never as false."""


class OutputError(LocalrunError):
    """A task ended well, but what it left behind cannot be used."""


class CorruptArtifact(LocalrunError):
    """The bytes of an artifact are not those that were recorded when it was made."""


class StoreError(LocalrunError):
    """The store cannot be read or written, or another process holds what is asked for."""


class RunFailed(LocalrunError):
    """A run that had to succeed did not."""


class UnknownCode(LocalrunError):
    """What a task's code is cannot be said, so its result is not cached; the task itself runs."""


class WorkerError(LocalrunError):
    """An environment's warm process could not start or died."""


def nearest(got: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?`, or the list of known names when none is near."""
    names = sorted(known)
    near = get_close_matches(got, names, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; known: {', '.join(names)}" if names else "; none is known"
