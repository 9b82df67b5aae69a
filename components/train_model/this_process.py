"""Trains the user's module in this process, and writes a SavedModel only when the training succeeds."""

import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2

from adapters.beside import Beside, has_room
from artifacts.examples.manifest import ExamplesManifest
from artifacts.labels.soft_rows import Portion
from artifacts.model.label import LABEL_GRAPH
from artifacts.model.names import CHECKPOINT, SERVING, TRAINING
from artifacts.schema.reference import referenced_file
from components.train_model import run_fn
from components.train_model.config import Config
from core import user_code
from core.backends.registry import find
from core.errors import TrainingError
from core.object_stores.locations import Location
from problems.labels import TrainedLabel
from training import curves, fitting
from training.answers import trained_name
from training.distributed.members import Member
from training.labels import Observed
from training.record import Record
from training.rows import Recipe, Rows
from training.session import Session, Sources, opened
from training.warm_start import warm_start


class Inputs(NamedTuple):
    """References of module and schema, folders, and the champion with its registry."""

    module: str
    schema: str
    examples: Path | str
    transform_graph: Path | str
    champion: str = ""
    registry: str = ""


class Outputs(NamedTuple):
    """The paths of model and pictures, and the function that logs metrics."""

    model: Path | str
    log_metric: Callable[[str, float], None]
    pictures: Path | str


def train_here(
    config: Config, inputs: Inputs, outputs: Outputs, member: Member | None = None, kept: Location | None = None
) -> None:
    """Train in this process, which is one of several unless `member` is None.

    The output can be a mounted bucket: the model is made in a temporary folder and copied once. Only the checkpoint,
    which outlives a training that dies, and what a `run_fn` writes for itself are written there; `kept` is where the
    checkpoint of several processes is kept as well.

    Raises TrainingError, and writes no SavedModel, for no rows, labels that cannot be trained on or a loss that is not
    finite; MlopsError when the module has neither function. What the user's functions raise passes through.
    """
    model_folder = Path(outputs.model)
    model_folder.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(model_folder / SERVING, ignore_errors=True)
    shutil.rmtree(model_folder / LABEL_GRAPH, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="train-model-") as temporary:
        made = Path(temporary, "model")
        made.mkdir()
        sources = Sources(inputs.module, inputs.schema, inputs.examples, inputs.transform_graph)
        if runs_by_itself(inputs.module):
            with opened(config, sources) as session:
                label = _train_tfx(config, inputs, outputs, session)
                shutil.copytree(Path(outputs.model) / SERVING, made / SERVING)
                session.describe(label, made, config.run_fn.label)
        else:
            with _opened(config, sources, member, kept) as session:
                _train_keras(config, inputs, outputs, session, made)
        shutil.copytree(made, model_folder, dirs_exist_ok=True)
    (model_folder / CHECKPOINT).unlink(missing_ok=True)


def runs_by_itself(module: str) -> bool:
    """Whether a module has a `run_fn` and no `build_model`."""
    loaded = user_code.load(module)
    return hasattr(loaded, "run_fn") and not hasattr(loaded, "build_model")


def _opened(
    config: Config, sources: Sources, member: Member | None, kept: Location | None
) -> AbstractContextManager[Session]:
    if member is None:
        return opened(config, sources)
    from training.distributed.group import Group  # noqa: PLC0415 - for one process there is none
    from training.distributed.session import opened as opened_together  # noqa: PLC0415

    parts = config.distribution.workers if config.distribution else member.count
    return opened_together(config, sources, Group.joined(member, parts, kept))


def _train_keras(config: Config, inputs: Inputs, outputs: Outputs, session: Session, made: Path) -> None:
    # Another process draws the curves during the export; it is forked before TensorFlow computes here.
    with Beside(partial(_draw, outputs.pictures), forks=has_room()) as drawing:
        model = session.build()
        taken = (
            warm_start(model, session.vocabularies, inputs.registry, inputs.champion)
            if config.warm_start and inputs.champion
            else []
        )
        exporting = session.exporting(model)
        checkpoint = Path(outputs.model) / CHECKPOINT if config.checkpoints else None
        fitted = session.fit(model, checkpoint, exporting=exporting)
        splits = session.splits(model)
        facts: dict[str, Any] = {
            "rows": len(splits.training),
            "validation rows": len(splits.validation),
            "warm-started weights": len(taken),
            "hyperparameters": session.settings.hyperparameters,
        }
        record = Record(model, fitted, facts)
        drawing.give(record)
        session.export(model, made, exporting)
        record.write(made)
        record.log(outputs.log_metric)
        drawing.result()


def _draw(pictures: Path | str, record: Callable[[], Record]) -> None:
    record().draw(pictures)


def _train_tfx(config: Config, inputs: Inputs, outputs: Outputs, session: Session) -> TrainedLabel:
    folder = Path(outputs.model)
    rows = ExamplesManifest.read(inputs.examples).records("train")
    if not rows:
        raise TrainingError(
            f"{inputs.examples}: wanted rows in the split 'train', got none; widen ingest_examples.window"
        )
    label = observe_run_fn(config, session)
    base_model = find(inputs.registry, inputs.champion).path if config.warm_start and inputs.champion else None
    schema = referenced_file(inputs.schema, folder)
    paths = run_fn.Paths(Path(inputs.examples), Path(inputs.transform_graph), schema, folder, base_model)
    run_fn.run(session.module.run_fn, config, paths)
    (folder / TRAINING).write_text(json.dumps({"rows": rows, "module": "run_fn"}, indent=2) + "\n", encoding="utf-8")
    outputs.log_metric("rows", float(rows))
    curves.draw_without_history(outputs.pictures, rows)
    return replace(label, output=config.model_output)


def observe_run_fn(config: Config, session: Session) -> TrainedLabel:
    """Find out how the transform changes the label of a `run_fn`; TrainingError for labels that cannot be trained on.

    The classes of a text label that is not transformed are unknown, unless the module's model returns them.
    """
    name = trained_name(config.label, session.transform, config.run_fn.label)
    spec = session.transform.transformed_feature_spec().get(name)
    is_text = any(f.name == config.label and f.type == schema_pb2.BYTES for f in session.schema.feature)
    is_transformed = spec is not None and spec.dtype != tf.string and config.run_fn.examples == "transformed"
    if is_text and not is_transformed:
        return TrainedLabel(config.label, config.task)
    observed = Observed(config, None)
    layer = session.layer
    made: Callable[[Any], Any] = (lambda raw: {config.label: layer(raw)[name]}) if is_transformed else lambda _: {}
    recipe = Recipe(session.schema, made, config.label, (), observed.number)
    blocks = recipe.columns(session.examples, Portion("train"), config.read_rows)
    # Only labels are kept in memory, a few bytes per row, and nothing is written to disk.
    fitting.check_labels(Rows(blocks, config.label, Path(), sys.maxsize), "train", config.task, None)
    return observed.result(None, in_raw_unit=config.run_fn.answers == "raw")
