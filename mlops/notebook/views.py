"""What a notebook shows of an artifact: one function for each kind, found by the name of the output."""

import importlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path

from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2

from artifacts.evaluation import metrics_file
from artifacts.examples.manifest import ExamplesManifest
from artifacts.facts import FactsFile
from artifacts.inference.manifest import InferenceManifest
from artifacts.model.names import SERVING, TRAINING
from artifacts.schema.schema_file import read_schema
from artifacts.statistics import features, names
from artifacts.statistics import folder as statistics_folder
from core import pictures
from core.decision import Decision
from core.pictures import Markup

_STYLE = (
    ".mlops section{border:1px solid #e4e7ec;border-radius:8px;padding:8px 14px;margin:0 0 8px;overflow-x:auto}"
    ".mlops h2{font-size:15px;margin:4px 0 8px}.mlops .num{text-align:right}.mlops .muted{color:#667085}"
    ".mlops .pass{color:#0b7a55}.mlops .fail{color:#b3261e}.mlops .undecided{color:#9a6700}"
    ".mlops td,.mlops th{text-align:left;vertical-align:top}"
)
"""The classes of `core.pictures`, for a page that is not the report."""
_MOST_ROWS = 50


def page(*sections: str) -> str:
    """Return sections with the style that they need, apart from the rest of the notebook."""
    return f'<div class="mlops"><style>{_STYLE}</style>\n{"".join(sections)}</div>'


def empty(stage: str) -> Markup:
    """Return what is shown of a stage without artifacts."""
    return pictures.fragment(stage, "no artifacts")


def artifact(name: str, path: str, metrics: Mapping[str, float]) -> Markup:
    """Return what is shown of an artifact: its content, or its files where nothing else is known of it."""
    place = Path(path)
    if metrics:
        return pictures.fragment(name, pictures.table(("metric", "value"), list(metrics.items())))
    if not place.exists():
        return pictures.fragment(name, "not written")
    view = _BY_FILE.get(_mark(place))
    if view is not None:
        return view(name, place)
    return _BY_NAME.get(name, _files)(name, place)


def _mark(place: Path) -> str:
    """Return the file that says what a folder holds; empty for another one."""
    return next((file for file in _BY_FILE if (place / file).is_file()), "")


def _decision(_: str, path: Path) -> Markup:
    return Markup(Decision.read(path)._repr_html_())


def _examples(_: str, folder: Path) -> Markup:
    return Markup(ExamplesManifest.read(folder)._repr_html_())


def _inference(name: str, folder: Path) -> Markup:
    return pictures.fragment(name, Markup(InferenceManifest.read(folder)._repr_html_()))


def _statistics(name: str, folder: Path) -> Markup:
    found = statistics_folder.read(folder)
    rows: list[list[str | float | None]] = [["examples", *(features.examples(one) for one in found.values())]]
    by_dataset = {dataset: features.by_name(one) for dataset, one in found.items()}
    for feature in sorted({feature for one in by_dataset.values() for feature in one}):
        shares = [features.missing(one[feature]) if feature in one else None for one in by_dataset.values()]
        rows.append([feature, *shares])
    headers = ("share of missing values", *map(names.title, found))
    return pictures.fragment(name, pictures.table(headers, rows[:_MOST_ROWS]))


def _anomalies(name: str, folder: Path) -> Markup:
    rows = []
    for path in sorted(folder.glob("*/SchemaDiff.pb")):
        found = anomalies_pb2.Anomalies.FromString(path.read_bytes())
        rows += [(path.parent.name, feature, one.description) for feature, one in sorted(found.anomaly_info.items())]
    if not rows:
        return pictures.fragment(name, "no anomalies")
    return pictures.fragment(name, pictures.table(("dataset", "feature", "anomaly"), rows))


def _transform_graph(name: str, folder: Path) -> Markup:
    rows = []
    for side, file in (("raw", "metadata/schema.pbtxt"), ("transformed", "transformed_metadata/schema.pbtxt")):
        for feature in read_schema(folder / file).feature:
            rows.append((side, feature.name, schema_pb2.FeatureType.Name(feature.type)))
    return pictures.fragment(name, pictures.table(("side", "feature", "type"), rows))


def _model(name: str, folder: Path) -> Markup:
    facts = json.loads((folder / TRAINING).read_bytes())
    rows = [(key, value) for key, value in facts.items() if isinstance(value, str | int | float)]
    rows += [(f"best {key}", value) for key, value in facts.get("best", {}).items()]
    size = sum(path.stat().st_size for path in (folder / SERVING).rglob("*") if path.is_file())
    return pictures.fragment(name, pictures.table(("fact", "value"), [*rows, ("bytes of the SavedModel", size)]))


def _evaluation(name: str, folder: Path) -> Markup:
    numbers = metrics_file.read(folder)
    metrics = sorted(numbers["overall"]["candidate"])
    everything = [("all", numbers["examples"], *(numbers["overall"]["candidate"][metric] for metric in metrics))]
    for one in numbers["slices"]:
        label = ", ".join(f"{key}={value}" for key, value in one["slice"].items())
        everything.append((label, one["examples"], *(one["candidate"].get(metric) for metric in metrics)))
    return pictures.fragment(name, pictures.table(("slice", "examples", *metrics), everything[:_MOST_ROWS]))


def _facts(name: str, folder: Path) -> Markup:
    """Return what is shown of a file of facts: its own `_repr_html_`."""
    file = next(file for file in FACTS if (folder / file).is_file())
    module, _, kind = FACTS[file].partition(":")
    found: FactsFile = getattr(importlib.import_module(module), kind).read(folder)
    return pictures.fragment(name, Markup(found._repr_html_()))


def _html(_: str, path: Path) -> Markup:
    return Markup(path.read_text(encoding="utf-8"))


def _files(name: str, place: Path) -> Markup:
    files = sorted(path for path in place.rglob("*") if path.is_file()) if place.is_dir() else [place]
    rows = [(str(path.relative_to(place)) if path != place else path.name, path.stat().st_size) for path in files]
    return pictures.fragment(name, pictures.table(("file", "bytes"), rows[:_MOST_ROWS]))


_View = Callable[[str, Path], Markup]
FACTS: Mapping[str, str] = {
    "compression.json": "artifacts.compression.compression:Compression",
    "constraint.json": "artifacts.fairness.constraint:Constraint",
    "distillation.json": "artifacts.distillation.distillation:Distillation",
    "explanations.json": "artifacts.explanations.summary:ExplanationsSummary",
    "fairness.json": "artifacts.fairness.measurement:Measurement",
    "league.json": "artifacts.league.league:League",
    "selection.json": "artifacts.selection.selection:Selection",
    "trial.json": "artifacts.tuning.finished_trial:FinishedTrial",
    "tuning.json": "artifacts.tuning.tuning:Tuning",
}
"""File -> module:class, imported when such an artifact is shown; a test compares it with the classes."""
_BY_FILE: Mapping[str, _View] = {
    TRAINING: _model,
    metrics_file.METRICS: _evaluation,
    **dict.fromkeys(FACTS, _facts),
}
"""A file of the folder that says what it holds."""
_BY_NAME: Mapping[str, _View] = {
    "anomalies": _anomalies,
    "decision": _decision,
    "examples": _examples,
    "inference_result": _inference,
    "labeled": _examples,
    "pictures": _html,
    "predictions": _inference,
    "statistics": _statistics,
    "transform_graph": _transform_graph,
}
