"""The variants of a compressed model, by the name that configuration and reports give them."""

from dataclasses import dataclass
from typing import Literal, get_args

from core.errors import did_you_mean

Quantization = Literal["float32", "float16", "dynamic_range", "int8", "qat"]
"""How weights and arithmetic of the TFLite file are: `float16` weights; `dynamic_range`: int8 weights, activations
quantized as they come; `int8`: both, by calibration rows; `qat`: int8 that the model was trained with."""
QUANTIZATIONS: tuple[Quantization, ...] = get_args(Quantization)
PRUNED = "pruned"
UNCOMPRESSED = "float32"
CONTROL = "control"
"""The model with the same extra epochs of training, but neither pruned nor quantized."""


@dataclass(frozen=True)
class Variant:
    """What is done to a model."""

    quantization: Quantization
    is_pruned: bool

    @property
    def name(self) -> str:
        """The name, such as `pruned+dynamic_range`."""
        if not self.is_pruned:
            return self.quantization
        return PRUNED if self.quantization == "float32" else f"{PRUNED}+{self.quantization}"

    @property
    def is_aware(self) -> bool:
        """Whether the model is trained with quantized arithmetic."""
        return self.quantization == "qat"

    @property
    def is_retrained(self) -> bool:
        """Whether it needs epochs of training."""
        return self.is_pruned or self.is_aware

    @property
    def sources(self) -> tuple[bool, bool]:
        """What the training of its weights depends on."""
        return self.is_pruned, self.is_aware


NAMES = tuple(Variant(quantization, is_pruned).name for is_pruned in (False, True) for quantization in QUANTIZATIONS)


def variant(name: str) -> Variant:
    """Return the variant of a name; ValueError, with the nearest name, for an unknown one."""
    if name not in NAMES:
        raise ValueError(f"{name!r} is no variant{did_you_mean(name, NAMES)}")
    first, _, rest = name.partition("+")
    if first != PRUNED:
        return Variant(next(one for one in QUANTIZATIONS if one == name), is_pruned=False)
    return Variant(next(one for one in QUANTIZATIONS if one == (rest or UNCOMPRESSED)), is_pruned=True)
