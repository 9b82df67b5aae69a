"""The file that describes a selection, for the report, the command line and whoever applies it."""

from typing import Literal

from pydantic import Field

from artifacts.facts import Facts, FactsFile

SELECTION = "selection.json"
ALL = "all"
"""The method that leaves out nothing but constants and twins."""
UNION = "union"
"""The method that selects what any other one does."""


class MethodResult(Facts):
    """How one method did."""

    name: str
    features: tuple[str, ...]
    """The features that it selected in nearly all runs, in the schema's order."""
    metrics: dict[str, float]
    """On held-out rows, each scored with a selection that was made without it; mean over the seeds."""
    loss: float
    """Skill lost against all features; both are scored with the mean over the seeds."""
    loss_at_most: float
    """The upper end of that loss's confidence interval."""
    stability: float
    """Mean overlap (Jaccard) of the selections of two runs: 1 when all are the same."""
    seconds: float
    """Of all runs."""


class FeatureResult(Facts):
    """What one feature gives and costs."""

    name: str
    verdict: Literal["selected", "kept", "constant", "twin", "left out", "not compared"]
    why: str = ""
    """The value of a constant, the twin, or why a feature was not compared."""
    gain: float | None = None
    """Skill that is lost when its values are shuffled on held-out rows."""
    chosen: dict[str, float] = Field(default_factory=dict)
    """Method -> share of its runs that selected the feature."""
    nanoseconds: float | None = None
    """Of the transform, per row."""
    vocabulary_bytes: int | None = None
    read_by_module: bool = True
    """Whether an output of `preprocessing_fn` depends on it."""


class Selection(Facts, FactsFile):
    """One selection."""

    FILE = SELECTION
    WANTED = "a selection of features"

    version: Literal[1] = 1
    schema_digest: str
    """Digest of the schema file that the selection is about."""
    skill: str
    """Name of the skill, such as AUC."""
    max_loss: float
    rows: int
    folds: int
    seeds: tuple[int, ...]
    chosen: str
    """The method whose features are proposed."""
    applied: bool
    """Whether the run trained without the features that are left out."""
    methods: tuple[MethodResult, ...]
    features: tuple[FeatureResult, ...]
    left_out: tuple[str, ...]
    """Features that the proposal disables, in the schema's order."""

    @property
    def reasons(self) -> dict[str, str]:
        """Why each of those features is left out, in a few words."""
        found = {}
        for one in self.features:
            if one.name in self.left_out:
                found[one.name] = {"constant": one.why, "twin": f"twin of {one.why}"}.get(
                    one.verdict, f"not selected by {self.chosen}"
                )
        return found
