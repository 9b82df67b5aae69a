"""`Format-TFLite/`: a model for devices, read with NumPy and a TFLite interpreter alone.

The model takes the transformed features in at most two tensors: 27 inputs of one value each cost ten times as much per
row. `inputs.json` says which columns of which tensor a feature is.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from core.errors import CorruptArtifact

MODEL = "model.tflite"
INPUTS = "inputs.json"
EXAMPLES = "examples.npz"
"""Packed rows and the predictions that the file gives for them, so that a device can check its interpreter."""
PREDICTIONS = "predictions"
VERSION = 1
FLOATS, INTEGERS = "floats", "integers"
Tensor = Literal["floats", "integers"]
_DTYPES: dict[Tensor, Any] = {"floats": np.float32, "integers": np.int64}
Packed = dict[str, NDArray[Any]]
"""Tensor -> the columns of all features in it, [rows, columns]."""
Interpreter = Callable[..., Any]
"""The class of an interpreter: `ai_edge_litert.interpreter.Interpreter` or `tf.lite.Interpreter`."""


@dataclass(frozen=True)
class Columns:
    """Where one transformed feature is."""

    name: str
    tensor: Tensor
    start: int
    stop: int
    """Its columns are start to stop - 1."""
    shape: tuple[int, ...]
    """Of one row's value."""


@dataclass(frozen=True)
class EdgeInputs:
    """The inputs of the model, and the classes of its predictions."""

    columns: tuple[Columns, ...]
    task: str = ""
    label: str = ""
    classes: tuple[str, ...] = ()

    @property
    def widths(self) -> dict[Tensor, int]:
        """The number of columns of each tensor that there is."""
        found: dict[Tensor, int] = {}
        for one in self.columns:
            found[one.tensor] = max(found.get(one.tensor, 0), one.stop)
        return found

    def pack(self, features: Mapping[str, NDArray[Any]]) -> Packed:
        """Pack transformed features, each [rows, ...]; KeyError for one that is missing."""
        rows = len(next(iter(features.values())))
        packed: Packed = {tensor: np.zeros((rows, width), _DTYPES[tensor]) for tensor, width in self.widths.items()}
        for one in self.columns:
            packed[one.tensor][:, one.start : one.stop] = np.reshape(features[one.name], (rows, -1))
        return packed

    def write(self, folder: Path) -> None:
        """Write the description of the inputs."""
        content = {"version": VERSION, **asdict(self)}
        (folder / INPUTS).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> "EdgeInputs":
        """Read the description; CorruptArtifact when it is missing or invalid."""
        path = folder / INPUTS
        try:
            content = json.loads(path.read_bytes())
            if content.pop("version") != VERSION:
                raise ValueError(f"this program reads version {VERSION}")
            columns = tuple(Columns(**{**one, "shape": tuple(one["shape"])}) for one in content["columns"])
            return cls(columns, content["task"], content["label"], tuple(content["classes"]))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise CorruptArtifact(
                f"{path}: wanted the inputs of a model for devices, got {type(error).__name__}: {error}; "
                "compress the model again"
            ) from None


class EdgeModel:
    """A loaded model for devices."""

    def __init__(self, folder: Path, interpreter: Interpreter) -> None:
        """Load the model; CorruptArtifact when the interpreter refuses the file."""
        self.inputs = EdgeInputs.read(folder)
        self._tflite = open_tflite(folder / MODEL, interpreter)

    def __call__(self, features: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """Predict transformed features, each [rows, ...]; returns [rows, values]."""
        return self._tflite(self.inputs.pack(features))


class TFLiteModel:
    """A TFLite file with packed inputs."""

    def __init__(self, interpreter: Any) -> None:
        self._interpreter = interpreter
        self._inputs = {}
        for detail in interpreter.get_input_details():
            kind: Tensor = "integers" if np.issubdtype(detail["dtype"], np.integer) else "floats"
            self._inputs[kind] = detail["index"]
        self._output = interpreter.get_output_details()[0]["index"]
        self._rows = 0

    def __call__(self, packed: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """Predict packed rows; returns [rows, values]."""
        rows = len(next(iter(packed.values())))
        if rows != self._rows:
            for kind, index in self._inputs.items():
                self._interpreter.resize_tensor_input(index, packed[kind].shape)
            self._interpreter.allocate_tensors()
            self._rows = rows
        for kind, index in self._inputs.items():
            self._interpreter.set_tensor(index, packed[kind])
        self._interpreter.invoke()
        return np.asarray(self._interpreter.get_tensor(self._output), np.float32)


def open_tflite(path: Path, interpreter: Interpreter) -> TFLiteModel:
    """Open a TFLite file; CorruptArtifact when the interpreter refuses it."""
    try:
        opened = interpreter(model_path=str(path), num_threads=1)
        opened.allocate_tensors()
    except (OSError, ValueError, RuntimeError) as error:
        raise CorruptArtifact(f"{path}: wanted a TFLite file, but the interpreter says: {error}") from None
    return TFLiteModel(opened)


def read_examples(folder: Path) -> tuple[Packed, NDArray[np.float32]]:
    """Return the packed rows of a model for devices, and their predictions, [rows, values]."""
    with np.load(folder / EXAMPLES, allow_pickle=False) as file:
        packed = {name: file[name] for name in file.files}
    return packed, packed.pop(PREDICTIONS)


def write_examples(folder: Path, packed: Mapping[str, NDArray[Any]], predictions: NDArray[np.float32]) -> None:
    """Write packed rows with their predictions."""
    np.savez(folder / EXAMPLES, **{**packed, PREDICTIONS: predictions})
