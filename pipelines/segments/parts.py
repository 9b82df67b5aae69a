"""The parts of a pipeline that its segments hand to each other."""

from typing import NamedTuple

from kfp import dsl


class PinnedSource(NamedTuple):
    """The data of a run."""

    source: str
    """Pattern of the spans' files."""
    span: int
    """The newest span."""
    data: str
    """Digest of the files of all spans that the run reads."""


class InProduction(NamedTuple):
    """The model that a candidate is compared with."""

    champion: str
    """`<version>@<digest>`; empty when nothing is in production yet."""
    registry: str
    """Address of the registry that holds it."""


class Destination(NamedTuple):
    """Where a candidate is pushed to."""

    champion: str
    """The version that it replaces."""
    registry: str
    submission: str
    """Id of the submission, so that a push is cached for this submission only."""


class Delivery(NamedTuple):
    """What a release is made from and where it goes."""

    build: str
    """As JSON: commit, compiled pipeline, configuration, images, SBOMs."""
    releases: str
    """Root of the releases."""
    environments: str
    """As JSON: their order, and what each demands."""


class Data(NamedTuple):
    """Examples, and the task that validated them; None where the configuration leaves that gate out."""

    examples: dsl.Dataset
    validated: dsl.PipelineTask | None


class Described(NamedTuple):
    """The examples that the model in production was trained and evaluated on, and their statistics."""

    examples: dsl.Dataset
    statistics: dsl.Artifact


class Answered(NamedTuple):
    """What the model in production answered, and which outcomes were known."""

    snapshot: str
    """Reference of the list of files of the prediction log and of outcomes."""
    as_of: str
    """RFC 3339; what was logged, or became known, later does not count."""


class Candidate(NamedTuple):
    """A trained model, and the task that evaluated it."""

    examples: dsl.Dataset
    model: dsl.Model
    evaluated: dsl.PipelineTask
    earlier: tuple[dsl.PipelineTask, ...] = ()
    """The gates that decided about the model before its evaluation, each with an output `decision`."""


class Evidence(NamedTuple):
    """The collected decisions about a candidate, and the gates that made them."""

    artifact: dsl.Artifact
    gates: tuple[str, ...]
