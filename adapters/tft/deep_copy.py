"""Lets tf.Transform copy a part of a Beam graph, so that each phase of an analysis reads the data again.

Without copies, a runner keeps all rows between two phases. Read from tensorflow_transform 1.16.0 (`beam/deep_copy.py`),
which makes an `AppliedPTransform` of four arguments; apache_beam 2.65 takes two more, an environment and annotations,
which a copy of a transform has none of. docs/adr/2026-11-28-ports-of-private-library-code.md applies.
"""

import inspect

from apache_beam.pipeline import AppliedPTransform

READ_FROM = "1.16.0"
"""The version of tensorflow_transform that this was read from."""


def allow_deep_copies() -> None:
    """Give the arguments that tf.Transform does not know their defaults."""
    parameters = inspect.signature(AppliedPTransform.__init__).parameters
    unknown = [name for name in ("environment_id", "annotations") if name in parameters]
    if unknown and parameters[unknown[0]].default is inspect.Parameter.empty:
        AppliedPTransform.__init__.__defaults__ = (None,) * len(unknown)
