"""Makes one variant: converts it, takes the stored weights back into the SavedModel's arithmetic, and measures both."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from artifacts.compression.compression import Format, Latency, Layer, Size, VariantResult
from artifacts.compression.costs import latency_of, size_of
from artifacts.compression.variant import Variant
from artifacts.evaluation.columns import Values
from artifacts.evaluation.slices import OVERALL
from artifacts.model.edge_model import Packed, open_tflite
from components.compress_model.body import Served
from components.compress_model.config import Config
from components.compress_model.convert import Request
from components.compress_model.converter import Converter, ConverterDied
from components.compress_model.eval_rows import EvalRows, Features, scores_of
from components.compress_model.quality import Quality, known
from components.compress_model.rebuilt import Rebuilt
from components.compress_model.retraining import Retrained
from components.compress_model.stored_weights import Stored, constants, stored_weights
from core.errors import ConversionError, CorruptArtifact

_PREDICTED = 4096
_STORED = ("float16", "dynamic_range", "int8")
"""Quantizations after which the SavedModel computes with the weights that the file stores."""
_LISTED_WEIGHTS = 2


@dataclass(frozen=True)
class Made:
    """A variant and its files; both are None when it could not be converted."""

    result: VariantResult
    model: keras.Model | None = None
    """With the compressed arithmetic; it is changed when the next variant is made of it."""
    weights: tuple[Any, ...] = ()
    tflite: Path | None = None


class Maker:
    """Makes variants of one model."""

    def __init__(self, config: Config, rebuilt: Rebuilt, rows: EvalRows, quality: Quality, folder: Path) -> None:
        self._config, self._rebuilt, self._rows, self._quality, self._folder = config, rebuilt, rows, quality, folder
        self.packed: Packed = rebuilt.inputs.pack(rows.features)
        self._calibration = folder / "calibration.npz"

    def calibrate(self, features: Features) -> None:
        """Keep the rows that ranges are taken from."""
        np.savez(self._calibration, **self._rebuilt.inputs.pack(features))

    def ask(self, variants: Sequence[Variant], source: Retrained, converter: Converter) -> None:
        """Ask for the conversions of a model; they go on while earlier variants are measured."""
        source.model.set_weights(source.weights)
        folder = self.saved(source)
        for one in variants:
            for request in self._requests(one, folder):
                converter.submit(request)

    def make(self, variant: Variant, source: Retrained, converter: Converter) -> Made:
        """Make and measure a variant of a model with some weights; a failed conversion is in the result."""
        started = time.monotonic()
        source.model.set_weights(source.weights)
        folder = self.saved(source)
        try:
            for request in self._requests(variant, folder):
                converter.convert(request)
            path = self._file(variant)
            tflite = open_tflite(path, tf.lite.Interpreter)
            stored = self._take_back(source.model, variant, path)
        except (ConversionError, CorruptArtifact) as error:
            name = error.signal if isinstance(error, ConverterDied) else ""
            return Made(VariantResult(name=variant.name, fault=str(error), signal=name, epochs=source.epochs))
        if variant.quantization in _STORED:
            folder = self._rebuilt.body(source.model).save(self._folder / f"{variant.name}-stored")
        with Served(folder) as served:
            ours, theirs = self._scores(served), self._scores(tflite)
            latencies = latency_of(served, self.packed), latency_of(tflite, self.packed)
        formats = (("SavedModel", ours), ("TFLite file", theirs))
        bad = [name for name, scores in formats if not np.isfinite(scores).all()]
        result = VariantResult(
            name=variant.name,
            fault=f"predictions of the {' and the '.join(bad)} are not finite" if bad else "",
            epochs=source.epochs,
            saved_model=None if bad else self._format(size_of(folder), latencies[0], ours),
            tflite=None if bad else self._format(size_of(path), latencies[1], theirs),
            sparse=size_of(self._file(variant, sparse=True)) if variant.is_pruned else None,
            parity=None if bad else self._quality.parity(ours, theirs),
            layers=_layers(source.model, stored),
            seconds=time.monotonic() - started,
        )
        weights = tuple(weight.numpy() for weight in source.model.weights)
        return Made(
            result, source.model, weights, self._file(variant, sparse=variant.is_pruned and self._config.sparse)
        )

    def saved(self, source: Retrained) -> Path:
        """Return the SavedModel of a model's body with the weights that it was trained to."""
        folder = self._folder / f"body-{source.name}"
        return folder if folder.is_dir() else self._rebuilt.body(source.model).save(folder)

    def uncompressed(self, source: Retrained) -> Format:
        """Describe the uncompressed model in the same terms."""
        folder = self.saved(source)
        with Served(folder) as served:
            return self._format(size_of(folder), latency_of(served, self.packed), self._quality.reference)

    def _requests(self, variant: Variant, saved_model: Path) -> Iterator[Request]:
        """Yield what is converted: the file, and that with sparse encoding where weights are pruned."""
        calibration = self._calibration if variant.quantization == "int8" else None
        yield Request(saved_model, variant.quantization, self._file(variant), calibration)
        if variant.is_pruned:
            yield Request(saved_model, variant.quantization, self._file(variant, sparse=True), calibration, sparse=True)

    def _file(self, variant: Variant, *, sparse: bool = False) -> Path:
        return self._folder / f"{variant.name}{'-sparse' if sparse else ''}.tflite"

    def _take_back(self, model: keras.Model, variant: Variant, path: Path) -> list[Stored]:
        """Give a model the weights that the file stores; one that was trained with them has them already."""
        interpreter = tf.lite.Interpreter(model_path=str(path), num_threads=1)
        interpreter.allocate_tensors()
        stored = stored_weights(model, constants(interpreter))
        if not variant.is_aware:
            model.set_weights([one.values for one in stored])
        return stored

    def _scores(self, predict: Any) -> Values:
        rows = len(self._rows)
        parts = []
        for start in range(0, rows, _PREDICTED):
            parts.append(predict({name: values[start : start + _PREDICTED] for name, values in self.packed.items()}))
        return scores_of(self._config, np.concatenate(parts))

    def _format(self, size: Size, latency: Latency, scores: Values) -> Format:
        metrics = self._quality.of(scores)
        return Format(
            size=size,
            latency=latency,
            metrics={name: known(value) for name, value in metrics[OVERALL].items()},
            losses=self._quality.losses(metrics),
            differences=self._quality.differences(scores),
            gaps=self._quality.gaps(scores),
        )


def _layers(model: keras.Model, stored: list[Stored]) -> tuple[Layer, ...]:
    """Describe the matrices and kernels of a model."""
    return tuple(
        Layer(
            path=weight.path,
            weights=int(np.prod(weight.shape)),
            zeros=float((one.values == 0).mean()),
            stored=one.stored,
        )
        for weight, one in zip(model.weights, stored, strict=True)
        if len(weight.shape) >= _LISTED_WEIGHTS
    )
