"""Builds a trained model again from module and weights: the exported one does not convert with its transform."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from artifacts.model import label as label_file
from artifacts.model.edge_model import EdgeInputs
from artifacts.model.names import SERVING, WEIGHTS
from components.compress_model.body import Body, columns_of
from components.compress_model.config import Config
from components.compress_model.eval_rows import EvalRows, Features
from core.errors import ConversionError
from problems.labels import TrainedLabel
from training.answers import answer
from training.export import Answer, input_names
from training.record import read_record
from training.session import Session

_SAME = 1e-4
"""Rebuilt and exported model add in another order; more than this is another model."""


@dataclass(frozen=True)
class Rebuilt:
    """A trained model as Keras has it, and how its packed inputs are laid out."""

    model: keras.Model
    label: TrainedLabel
    answer: Answer
    inputs: EdgeInputs
    dtypes: dict[str, Any]

    bodies: dict[int, Body] = field(default_factory=dict)

    def body(self, model: keras.Model) -> Body:
        """Return a model's body, traced once; the model is this one, or one with the same inputs."""
        if id(model) not in self.bodies:
            self.bodies[id(model)] = Body(model, self.inputs, self.dtypes, self.answer.finish)
        return self.bodies[id(model)]


def rebuild(session: Session, config: Config, folder: Path) -> tuple[keras.Model, TrainedLabel]:
    """Build the module's model with the weights in a trained model's folder.

    Raises ConversionError when the module has no `build_model`, or builds a model with other weights.
    """
    saved_model = folder / SERVING
    if not hasattr(session.module, "build_model") or not (saved_model / WEIGHTS).is_file():
        raise ConversionError(
            f"compress_model: {saved_model}: wanted a model of a module's build_model, with {WEIGHTS}, got one that "
            "cannot be built again; a run_fn's model is compressed by its own code"
        )
    family = str(read_record(folder).get("family", "build_model"))
    if not hasattr(session.module, family):
        raise ConversionError(
            f"compress_model: {saved_model}: wanted a model of a module's build_model, got one of the family "
            f"{family!r}, which only the stage that trained it builds; leave compress_model out, or name functions of "
            "module.py alone in search_model.families and distill_model.student"
        )
    model = session.build(getattr(session.module, family))
    with np.load(saved_model / WEIGHTS, allow_pickle=False) as file:
        saved = dict(file)
    missing = [
        weight.path
        for weight in model.weights
        if weight.path not in saved or saved[weight.path].shape != tuple(weight.shape)
    ]
    if missing or len(saved) != len(model.weights):
        raise ConversionError(
            f"compress_model: wanted build_model to build the trained model again, got one whose weights "
            f"{', '.join(missing) or 'are others'} are not those in {saved_model / WEIGHTS}; train again with the same "
            "module and hyperparameters"
        )
    for weight in model.weights:
        weight.assign(saved[weight.path])
    label = label_file.read(saved_model) or TrainedLabel(config.label, config.task)
    return model, label


def rebuilt(session: Session, config: Config, folder: Path, rows: EvalRows) -> Rebuilt:
    """Rebuild a model and check that it predicts as the exported one; ConversionError where it does not."""
    model, label = rebuild(session, config, folder)
    names = input_names(model) or tuple(name for name in rows.features if name != config.label)
    row: Features = {name: rows.features[name][:1] for name in names}
    inputs = EdgeInputs(columns_of(model, row), label.task, label.name, label.classes)
    how = answer(session.module, model, replace(label, output=config.model_output), session.transform)
    found = Rebuilt(model, label, how, inputs, {name: tf.as_dtype(values.dtype) for name, values in row.items()})
    few = {name: values[:256] for name, values in rows.features.items()}
    ours = found.body(model).predict(inputs.pack(few))["predictions"].numpy()
    theirs = rows.reference[:256].reshape(len(ours), -1)
    difference = float(np.abs(ours - theirs).max()) if ours.shape == theirs.shape else np.inf
    if not difference <= _SAME * max(1.0, float(np.abs(theirs).max())):
        raise ConversionError(
            f"compress_model: the model that build_model builds again with the saved weights differs from the exported "
            f"one by {difference:.3g}; build_model must depend on its arguments alone"
        )
    return found
