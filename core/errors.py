"""The one family of errors that a user is meant to read.

Every message says what was wanted, what was got and what to do next; a traceback is for anything else.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class MlopsError(Exception):
    """Base of all errors that are the user's to fix; `exit_code` is what the command line returns."""

    exit_code = 1


class UsageError(MlopsError):
    """The words typed, or a file the user wrote, are wrong."""

    exit_code = 2


class ConfigError(UsageError):
    """A configuration file has a key or value that cannot be used."""


class DataError(MlopsError):
    """Data that cannot be trusted: unreadable, empty, ragged or not of the schema's types."""


class EmptyDataset(DataError):
    """A source, split or span without a single row."""


class CorruptArtifact(DataError):
    """An artifact whose bytes are not those that its manifest recorded."""


class SchemaError(DataError):
    """Data or a module that does not fit the curated schema, or a schema that would check nothing."""


class TrainingError(MlopsError):
    """A training that must not produce a model: no rows, one class, a loss that is not finite."""


class GateClosed(MlopsError):
    """A gate is closed, or gave no decision: what comes after it is not done."""

    exit_code = 3


class RegistryError(MlopsError):
    """A model registry that cannot do what was asked."""


class StoreError(MlopsError):
    """An object store that cannot be reached, refuses, or does not keep what it promises."""


class NoSuchObject(StoreError):
    """An address with nothing there."""


def did_you_mean(got: str, known: Iterable[str]) -> str:
    """Return a `, did you mean 'x'?` for the nearest of the known names, or the list of them when none is near."""
    names = sorted(known)
    near = get_close_matches(got, names, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; known: {', '.join(names)}" if names else ""
