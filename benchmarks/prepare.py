"""Writes what both programs are given: rows, the use case, and the same training and evaluation as the peer's settings.

Usage: python -m benchmarks.prepare SIZE FOLDER. A process of its own, so that the one which measures holds no library
whose pages a measured process would share with it.
"""

import json
import math
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from pipelines.config import UseCase

FILE = "prepared.json"
MODULE = Path(__file__).with_name("peer_module.py")


class Prepared(NamedTuple):
    """A size's rows, ready for both programs."""

    usecase: str
    """The folder that `mlops run` is given."""
    settings: str
    """The file that the peer is given; empty when the peer does not run this size."""
    span: int
    rows: dict[str, int]
    """By split."""

    @classmethod
    def read(cls, folder: Path) -> "Prepared":
        """Read what `prepare` left in a folder."""
        return cls(**json.loads((folder / FILE).read_text(encoding="utf-8")))


def prepare(name: str, folder: Path) -> None:
    """Write a size into a folder."""
    from benchmarks.rows import SIZES, write_splits, write_usecase
    from pipelines.config import load

    usecase, rows = write_usecase(folder, SIZES[name])
    settings = folder / "peer.json"
    if name != "x10":
        write_splits(folder, folder / "peer")
        # In a folder of its own: TFX packs every module beside the one it is given, and its cache key covers them all.
        module = shutil.copy(MODULE, folder / "peer")
        settings.write_text(
            json.dumps({"module_file": str(module)} | _settings(load(usecase), rows, folder / "peer"), indent=2),
            encoding="utf-8",
        )
    prepared = Prepared(str(usecase), str(settings) if settings.exists() else "", SIZES[name].spans, rows)
    (folder / FILE).write_text(json.dumps(prepared._asdict()), encoding="utf-8")


def _settings(usecase: "UseCase", rows: dict[str, int], peer: Path) -> dict[str, Any]:
    training = usecase.train_model
    steps = training.epochs * math.ceil(rows["train"] / training.batch_size)
    return {
        "rows": str(peer),
        "schema": str(usecase.folder / "schema.pbtxt"),
        "training": {
            "module": str(usecase.folder / "module.py"),
            "label": training.label,
            "epochs": training.epochs,
            "batch_size": training.batch_size,
            "hyperparameters": {"train_steps": steps} | training.hyperparameters,
        },
        "eval_config": _eval_config(usecase),
    }


def _eval_config(usecase: "UseCase") -> str:
    """Ask for the metrics, slices and bounds of our own evaluation, without its plots, as the text of a protobuf."""
    import tensorflow_model_analysis as tfma
    from google.protobuf import text_format

    from artifacts.evaluation.eval_config import eval_config

    asked = eval_config(usecase.evaluate_model.evaluation_spec, with_champion=False, plots=False)
    del asked.model_specs[:]
    asked.model_specs.append(tfma.ModelSpec(label_key=usecase.problem.label, signature_name="serving_default"))
    bounds = {metric.name.replace("_", ""): metric for metric in usecase.problem.metrics}
    for metric in asked.metrics_specs[0].metrics:
        bound = bounds.get(metric.class_name.lower())
        if bound is not None and bound.at_least is not None:
            metric.threshold.value_threshold.lower_bound.value = bound.at_least
    return str(text_format.MessageToString(asked))


if __name__ == "__main__":
    prepare(sys.argv[1], Path(sys.argv[2]))
