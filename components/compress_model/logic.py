"""Compresses a trained model in every configured way, and writes the one that goes on with the gate's decision."""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import tensorflow as tf

from artifacts.compression.compression import Compression, Control
from artifacts.compression.costs import size_of
from artifacts.compression.variant import UNCOMPRESSED, variant
from artifacts.evaluation.slices import OVERALL
from artifacts.model.edge_model import MODEL, open_tflite, write_examples
from artifacts.model.label import LABEL_GRAPH
from artifacts.model.names import EXTRA, SERVING, TFLITE, TRAINING, WEIGHTS
from artifacts.predictions.predictor import Predictor
from artifacts.predictions.split import Splits
from components.compress_model import pictures
from components.compress_model.config import Config, Evaluation
from components.compress_model.converter import Converter
from components.compress_model.eval_rows import EvalRows, Features, calibration_rows, read_eval_rows, scores_of
from components.compress_model.gate import decide
from components.compress_model.making import Made, Maker
from components.compress_model.pruning import prunable
from components.compress_model.quality import EDGES, Quality, known
from components.compress_model.rebuilt import Rebuilt, rebuilt
from components.compress_model.retraining import Retrained, retrain
from core import digest
from core.decision import Decision
from core.errors import ConversionError
from training import export
from training.record import built_with
from training.session import Session, Sources, opened
from training.settings import TrainingSettings
from training.warm_start import save_weights

_EXAMPLES = 32
"""Rows whose predictions lie beside the TFLite file."""
_PLAIN = (False, False)
_CALIBRATED = ("int8", "qat")


class Inputs(NamedTuple):
    """Sections of other stages, references of module and schema, and folders."""

    training: Mapping[str, Any]
    evaluation: Mapping[str, Any]
    module: str
    schema: str
    examples: Path | str
    transform_graph: Path | str
    trained: Path | str


class Outputs(NamedTuple):
    """The paths of the compressed model, its description, the decision and the pictures."""

    model: Path | str
    compression: Path | str
    decision: Path | str
    pictures: Path | str


def compress(config: Config, inputs: Inputs, outputs: Outputs) -> Decision:
    """Make every variant, measure it, decide about the one that goes on, and write that one.

    Raises ConversionError for a model that cannot be built again or converted (the decision is written before),
    TrainingError when there is nothing to prune, DataError for too few rows: all of them before any training.
    """
    settings = TrainingSettings.of(inputs.training)
    evaluation = Evaluation.model_validate(inputs.evaluation)
    sources = Sources(inputs.module, inputs.schema, inputs.examples, inputs.transform_graph)
    with (
        Converter(config.conversion_seconds) as converter,
        opened(settings, sources) as session,
        tempfile.TemporaryDirectory(prefix="compress-model-") as scratch,
    ):
        work = _Work(config, evaluation, session, Path(inputs.trained), Path(scratch))
        made, compression = work.run(converter)
        shipped = next(one for one in made if one.result.name == config.ship)
        serving = Path(scratch) / "model" / SERVING
        subject = ""
        if shipped.tflite is not None:
            work.export(shipped, serving.parent)
            subject = digest.of_folder(serving)
        decision = decide(config, evaluation, compression, subject)
        compression.write(Path(outputs.compression))
        pictures.draw(compression, decision, outputs.pictures)
        decision.write(outputs.decision)
        if shipped.tflite is None:
            raise ConversionError(shipped.result.fault)
        shutil.copytree(serving.parent, outputs.model, dirs_exist_ok=True)
    return decision


class _Work:
    """One compression."""

    def __init__(self, config: Config, evaluation: Evaluation, session: Session, trained: Path, scratch: Path) -> None:
        """Read rows, and build the model again."""
        self._config, self._trained, self._scratch = config, trained, scratch
        self._session = session = session.variant(hyperparameters=built_with(trained))
        uncompressed = Predictor(trained / SERVING, config.task)
        splits = Splits(Path(session.sources.examples), session.schema)
        self._rows: EvalRows = read_eval_rows(config, evaluation, splits, uncompressed, trained)
        self._rebuilt: Rebuilt = rebuilt(session, config, trained, self._rows)
        names = [one.name for one in self._rebuilt.inputs.columns]
        is_calibrated = any(one.quantization in _CALIBRATED for one in config.variants)
        self._calibration: Features = calibration_rows(config, splits, uncompressed, names) if is_calibrated else {}
        reference = scores_of(config, self._rows.reference)
        self._quality = Quality(config, evaluation, self._rows, reference)
        self._maker = Maker(config, self._rebuilt, self._rows, self._quality, scratch)

    def run(self, converter: Converter) -> tuple[list[Made], Compression]:
        """Make every variant: first those that need no training, so that a model which cannot be converted ends here.

        Raises ConversionError when the uncompressed model cannot be converted, TrainingError for nothing to prune.
        """
        config = self._config
        if any(one.is_pruned for one in config.variants):
            prunable(self._rebuilt.model, config.pruning.min_weights)
        if self._calibration:
            self._maker.calibrate(self._calibration)
        plain = Retrained("untouched", self._rebuilt.model, self._rebuilt.model.get_weights(), 0)
        wanted = [one for one in config.variants if one.name != UNCOMPRESSED]
        untrained = [variant(UNCOMPRESSED), *(one for one in wanted if not one.is_retrained)]
        self._maker.ask(untrained, plain, converter)
        made: list[Made] = []
        for one in untrained:
            made.append(self._maker.make(one, plain, converter))
            if made[0].result.fault:
                raise ConversionError(made[0].result.fault)
        control = None
        retrained = [one for one in wanted if one.is_retrained]
        if retrained:
            control = self._control(plain)
        for sources in dict.fromkeys(one.sources for one in retrained):
            source = retrain(self._session, config, plain.weights, self._calibration, sources)
            of_it = [one for one in retrained if one.sources == sources]
            self._maker.ask(of_it, source, converter)
            made += [self._maker.make(one, source, converter) for one in of_it]
        compression = Compression(
            model=digest.of_folder(self._trained / SERVING),
            metric=config.metric,
            more_is_better=config.more_is_better,
            rows=len(self._rows),
            shipped=config.ship,
            uncompressed=self._maker.uncompressed(plain),
            control=control,
            variants=tuple(one.result for one in made),
            edges=EDGES,
        )
        return made, compression

    def _control(self, plain: Retrained) -> Control:
        """Train for the same extra epochs without compression."""
        source = retrain(self._session, self._config, plain.weights, self._calibration, _PLAIN)
        body = self._rebuilt.body(source.model)
        output = body.predict(self._maker.packed)["predictions"].numpy()
        metrics = self._quality.of(scores_of(self._config, output))[OVERALL]
        return Control(
            epochs=source.epochs,
            metrics={name: known(value) for name, value in metrics.items()},
            value=known(metrics[self._config.metric]),
            size=size_of(self._maker.saved(source)),
        )

    def export(self, made: Made, folder: Path) -> None:
        """Write a variant as `train_model` writes a model, with the TFLite file in its SavedModel's folder."""
        assert made.model is not None
        assert made.tflite is not None
        made.model.set_weights(made.weights)
        serving = folder / SERVING
        session, answer = self._session, self._rebuilt.answer
        export.export(made.model, session.layer, session.raw_features, answer, serving)
        shutil.copytree(self._trained / SERVING / EXTRA, serving / EXTRA, dirs_exist_ok=True)
        (serving / WEIGHTS).unlink()
        save_weights(made.model, serving)
        for name in (LABEL_GRAPH, TRAINING):
            source = self._trained / name
            if source.is_dir():
                shutil.copytree(source, folder / name)
            elif source.is_file():
                shutil.copyfile(source, folder / name)
        edge = serving / TFLITE
        edge.mkdir()
        shutil.copyfile(made.tflite, edge / MODEL)
        self._rebuilt.inputs.write(edge)
        few = {name: values[:_EXAMPLES] for name, values in self._maker.packed.items()}
        write_examples(edge, few, open_tflite(edge / MODEL, tf.lite.Interpreter)(few))
