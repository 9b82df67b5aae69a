"""The `search_model` section: which families of models are compared, and which differences count as noise."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from core.errors import did_you_mean
from core.settings import Settings

Variants = tuple[dict[str, Any], ...]
OURS = "families"
BACKENDS = {
    OURS: "",
    "autokeras": (
        "AutoKeras 3.0.0, the only release for Keras 3, fails on the pinned Keras 3.15 for images and tables alike"
    ),
    "vertex": (
        "a table's model of Vertex AutoML is exported for a server image of its own, and answers neither serialized "
        "tf.Examples nor TensorFlow Serving's requests, so that no gate could check it"
    ),
    "flaml": "FLAML leaves a pickle and no SavedModel; benchmarks/models/automl.py measures it as a peer",
}
"""Backend -> why it is refused; "" for one that works."""


def _usable_backend(name: str) -> str:
    if name not in BACKENDS:
        raise ValueError(f"wanted {OURS}, got {name!r}{did_you_mean(name, BACKENDS)}")
    if BACKENDS[name]:
        raise ValueError(f"{name} cannot be used: {BACKENDS[name]}; wanted {OURS} (docs/automl.md)")
    return name


def _as_variants(given: Any) -> Any:
    """Accept a list of names, and a single set of hyperparameters in place of a list of them."""
    if isinstance(given, list | tuple):
        return dict.fromkeys(given, ())
    if not isinstance(given, dict):
        return given
    return {name: (one,) if isinstance(one, dict) else () if one is None else one for name, one in given.items()}


class Config(Settings):
    """How models are searched; how they are trained is said by `train_model`."""

    backend: Annotated[str, AfterValidator(_usable_backend), Field(json_schema_extra={"enum": [OURS]})] = OURS
    """What searches; other backends than our own families are refused, with the reason."""
    families: Literal["every"] | Annotated[dict[str, Variants], BeforeValidator(_as_variants), Field(min_length=1)]
    """`every` family that can be built of the transformed features, or some: a family, or a function of module.py that
    is built like `build_model` -> its variants, each a mapping of hyperparameters; without any, its defaults. A list of
    names is short for families without variants."""
    module: bool = True
    """Whether the module's own `build_model`, with the hyperparameters of `train_model`, takes part. False where
    module.py has none: `train_model` then only says how families are trained."""
    seeds: tuple[int, ...] = Field(default=(0,), min_length=1)
    """Each family is trained once for each seed, which is added to that of `train_model`. With several, the noise of
    training counts as well as that of the rows."""
    replaced_by: float = Field(default=0.5, gt=0, le=1)
    """Where the module's own model is within the noise of the best, another within the noise takes its place only with
    at most this share of its parameters: a change must be worth it."""
    confidence: float = Field(default=0.68, gt=0.5, lt=1)
    """Of the interval of the difference to the best family; one whose interval reaches 0 is within its noise. 0.68 is
    one standard error, the rule of Breiman, Friedman, Olshen and Stone (1984)."""
