"""Explains one row of a file with a published model, as its server does."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup as Html

from artifacts.explanations import drawing
from artifacts.explanations.explained import Explained
from artifacts.model.features import Feature, Features
from core import durable, pictures
from core.errors import MlopsError
from core.pictures import Markup
from mlops.actions.rows import row_inputs
from mlops.report.render import environment
from pipelines.config import UseCase
from serving.bodies.columns import Column
from serving.bodies.explanations import explanation
from serving.errors import ModelError, RequestError
from serving.models.explainer import Explainer
from serving.models.players import joined
from serving.models.savedmodel import SavedModel, decoded_image


@dataclass(frozen=True)
class ExplainedPrediction:
    """The explanation of a row, as JSON and as a page."""

    facts: dict[str, Any]
    """As a server answers."""
    values: dict[str, str]
    """The row's features as text."""
    _explained: Explained
    _images: dict[str, Any]

    def write_page(self, target: Path, title: str) -> None:
        """Write one HTML file that needs no network, atomically."""
        one = self._explained
        parts: list[Markup] = [drawing.legend()]
        if len(one.attributions) > 1:
            parts.append(drawing.waterfall(one.base, one.attributions, self.values))
        parts += [drawing.words(words) for words in one.words.values()]
        maps = [(name, self._images.get(name), cells) for name, cells in one.cells.items()]
        if maps:
            parts.append(drawing.heat_maps(maps))
        what = f"probability of {one.class_name}" if one.class_name else "prediction"
        body = pictures.fragment(f"{what} {one.prediction:.4g}, base {one.base:.4g}", *parts)
        page = environment().get_template("explanation.html.j2").render(title=title, body=Html(body))  # noqa: S704 - our own pictures
        durable.replace(target, page.encode())


def explain_row(usecase: UseCase, saved_model: Path, file: Path, number: int) -> ExplainedPrediction:
    """Explain a row of a .csv, .jsonl or .parquet file, counted from 1.

    Raises UsageError for a row that the file does not have, DataError for one that cannot be predicted, and MlopsError
    for a model that cannot be explained, or whose explanation does not add up.
    """
    model = SavedModel(saved_model)
    try:
        explainer = Explainer(model)
        fed = row_inputs(usecase, model, file, number)
        (one,) = explainer.explain(fed)
    except (ModelError, RequestError) as error:
        raise MlopsError(f"{usecase.name} cannot be explained: {error}") from None
    finally:
        model.close()
    if not one.adds_up:
        raise MlopsError(
            f"row {number}: base and attributions differ from the prediction by {one.residual:.2g}, relatively; the "
            "model's answers depend on more than the row, or its own signature `explain` is wrong"
        )
    features: Features = explainer.features
    values = {feature.name: _shown(feature, fed) for feature in features.features}
    images = {name: _pixels(features.by_name[name], fed) for name in one.cells}
    return ExplainedPrediction(explanation(one), values, one, images)


def _shown(feature: Feature, fed: dict[str, Column]) -> str:
    values = joined(feature, fed)[0]
    if not values:
        return "missing"
    if isinstance(values[0], bytes):
        text = b", ".join(values[:8]).decode("utf-8", "replace")
        return f"{len(values[0]):,} bytes" if "\ufffd" in text else " ".join(text.split())
    more = ", …" if len(values) > 8 else ""
    return ", ".join(f"{value:.6g}" for value in values[:8]) + more


def _pixels(feature: Feature, fed: dict[str, Column]) -> Any:
    value = fed[feature.tensor][0]
    return decoded_image(value) if feature.dtype == "string" else value
