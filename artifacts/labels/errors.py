"""The errors of labels; each names the file and line, or the row key, and the next step."""

from core.errors import DataError


class LabelError(DataError):
    """A label that cannot be used."""


class MalformedLabel(LabelError):
    """A line that is no label: not JSON, without a key, label, annotator or time."""


class UnknownRow(LabelError):
    """A row key that no row of the data has."""


class LabelOutsideDomain(LabelError):
    """A label that is none of the classes, or of another type than the schema has."""


class RepeatedAnnotator(LabelError):
    """Two different labels of one annotator for one row at the same instant: neither corrects the other."""


class LabelAfterCutoff(LabelError):
    """A label that is newer than the instant up to which labels count."""


class EvalRow(LabelError):
    """A row of the eval split where only other rows may be: its label must not depend on a model."""


class OtherProject(LabelError):
    """A file that was exported for another use case."""
