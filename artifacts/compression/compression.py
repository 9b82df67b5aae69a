"""The file that describes a compression, for the report, the command line and whoever writes a model's card."""

from typing import Literal

from pydantic import Field

from artifacts.facts import Facts, FactsFile

COMPRESSION = "compression.json"


class Size(Facts):
    """Bytes as they are, and after gzip."""

    raw: int
    gzip: int


class Latency(Facts):
    """Median times of the body without the transform, on one core of the machine that measured."""

    row_us: float
    thousand_rows_us: float


class Loss(Facts):
    """What a slice lost against the uncompressed model, in the metric that the gate decides by; below 0 is a gain."""

    slice: str
    """Empty for all rows."""
    rows: int
    value: float | None
    loss: float | None
    """None where the metric is undefined."""


class Parity(Facts):
    """How near two models' predictions are, over the rows of the eval split."""

    agreement: float
    """Share of the rows with the same class; of a regression, those within a hundredth of the standard deviation."""
    max_difference: float
    """Of a probability; of a regression, in standard deviations of its predictions."""
    mean_difference: float


class Format(Facts):
    """One format of a variant."""

    size: Size
    latency: Latency
    metrics: dict[str, float | None]
    losses: tuple[Loss, ...]
    """All rows first, then the slices."""
    differences: tuple[int, ...]
    """Rows by their difference to the uncompressed prediction; `Compression.edges` has the bounds."""
    gaps: dict[str, float | None] = Field(default_factory=dict)
    """The gaps that `measure_fairness` bounds, by rate and groups."""


class Layer(Facts):
    """The weights of one variable."""

    path: str
    weights: int
    zeros: float
    """Share that is 0."""
    stored: str
    """Type in the TFLite file."""


class VariantResult(Facts):
    """One variant; without formats when its conversion failed."""

    name: str
    fault: str = ""
    """Why it could not be converted."""
    signal: str = ""
    """The signal that ended the converter, such as SIGABRT."""
    epochs: int = 0
    """Extra epochs of training."""
    seconds: float = 0.0
    """Of waiting for its conversion and measuring it, without its training."""
    saved_model: Format | None = None
    tflite: Format | None = None
    sparse: Size | None = None
    """Of the TFLite file with sparse encoding."""
    parity: Parity | None = None
    """SavedModel and TFLite file."""
    layers: tuple[Layer, ...] = ()


class Control(Facts):
    """The model with the same extra epochs, neither pruned nor quantized."""

    epochs: int
    metrics: dict[str, float | None]
    value: float | None
    size: Size


class Compression(Facts, FactsFile):
    """One compression of a model."""

    FILE = COMPRESSION
    WANTED = "a compression"

    version: Literal[1] = 1
    model: str
    """Digest of the uncompressed SavedModel."""
    metric: str
    """What the gate decides by."""
    more_is_better: bool
    rows: int
    """Rows of the eval split that were predicted."""
    shipped: str
    """Name of the variant that goes on."""
    uncompressed: Format
    control: Control | None = None
    variants: tuple[VariantResult, ...]
    edges: tuple[float, ...]
    """Bounds of the differences in `Format.differences`."""

    def variant(self, name: str) -> VariantResult | None:
        """Return the variant of a name; None when it was not made."""
        return next((one for one in self.variants if one.name == name), None)
