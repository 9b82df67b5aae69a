"""The errors that are shown to a user as a message, without a traceback.

Every message says what was wanted, what was got and what to do next.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class MlopsError(Exception):
    """Base of all errors that a user can fix; `exit_code` is the exit code of the command line."""

    exit_code = 1


class UsageError(MlopsError):
    """The command line, or a file that the user wrote, is wrong."""

    exit_code = 2


class ConfigError(UsageError):
    """A configuration file has a key or value that cannot be used."""


class DataError(MlopsError):
    """Data that cannot be trusted: unreadable, empty, ragged or not of the schema's types."""


class EmptyDataset(DataError):
    """A source, split or span without a single row."""


class CorruptArtifact(DataError):
    """An artifact whose bytes are not those that its manifest recorded."""


class Untrusted(CorruptArtifact):
    """A model version that no trusted key has signed, where signatures are demanded."""


class ModelError(MlopsError):
    """A SavedModel that cannot be loaded or served; the message says what is wrong with it."""


class SchemaError(DataError):
    """Data or a module that does not fit the curated schema, or a schema that would check nothing."""


class LabelingError(DataError):
    """Labeling functions, their votes or a class balance that no label can be made of."""


class TrainingError(MlopsError):
    """Training cannot produce a model: there are no rows, there is one class, or the loss is not finite."""


class ConversionError(MlopsError):
    """A model cannot be converted for devices: an operation that has no equivalent there, or a converter that died."""


class GateClosed(MlopsError):
    """A gate is closed or wrote no decision, so the tasks behind it do not run."""

    exit_code = 3


class RegistryError(MlopsError):
    """A model registry refused an operation: an unknown version, a folder that cannot be written, a lost race."""


class StoreError(MlopsError):
    """An object store cannot be reached, refuses a request, or does not store what it was sent."""


class NoSuchObject(StoreError):
    """There is no object at this address."""


class ChangedWhileRead(StoreError):
    """An object was written again before all of it was read."""


def did_you_mean(got: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` for the nearest known name, or the list of known names when none is near."""
    names = sorted(known)
    near = get_close_matches(got, names, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; known: {', '.join(names)}" if names else ""
