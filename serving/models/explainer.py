"""Explains the answers of a loaded model: by its own signature `explain`, else by Shapley values of its features."""

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import Any, Self

import numpy as np

from artifacts.explanations.explained import Explained
from artifacts.explanations.shapley import Effort, Evaluate, Game, Scores, attribute, starts
from artifacts.model.features import Feature
from artifacts.model.names import BACKGROUND_ROWS
from artifacts.model.rows import Row, read_rows
from artifacts.model.scored_output import scored_output
from serving.bodies import requests
from serving.bodies.columns import Column
from serving.errors import ModelError, RequestError
from serving.models.players import Players, joined, row_bytes
from serving.models.savedmodel import SavedModel, serialize
from serving.signature import DEFAULT_SIGNATURE, EXPLAIN_SIGNATURE, Signature

BACKGROUND = 32
"""Most background rows."""
_CHUNK_BYTES = 16 << 20
"""Of the inputs of one call of the model."""
_CHUNK_ROWS = 4096
Fed = Mapping[str, Column]
"""The tensors of raw features."""


def nothing() -> None:
    """Check no deadline."""


class Explainer:
    """Explains rows with one model; may be called from several threads."""

    def __init__(
        self,
        model: SavedModel,
        background: Sequence[Row] | None = None,
        effort: Effort = Effort(),  # noqa: B008 - frozen
        *,
        own: bool = True,
    ) -> None:
        """Read the model's background rows, unless others are given, and score them.

        `own` says whether the model's own signature `explain` is used, where it has one.

        Raises ModelError when the model has no features, no background rows, or rows that do not fit its features.
        """
        if model.features is None or model.rows is None:
            raise ModelError(f"{model.path}: wanted features.json, which names the model's features, got none")
        self.features = model.features
        self._model = model
        self._signature = self._default(model)
        self._effort = effort
        self._own = model.signatures.get(EXPLAIN_SIGNATURE) if own else None
        self._output = self._scored(self._signature)
        self._background = {} if self._own is not None else self._read(model.rows, background)
        self._base = np.zeros((0, 0)) if self._own is not None else self._scores(self._background)

    @property
    def has_own(self) -> bool:
        """Whether the model explains itself."""
        return self._own is not None

    @property
    def background(self) -> Fed:
        """The tensors of the background rows."""
        return self._background

    @property
    def background_rows(self) -> int:
        """Number of background rows; 0 for a model that explains itself."""
        return len(self._base)

    def with_effort(self, effort: Effort) -> Self:
        """Return one with another effort over the same model and background rows."""
        other = copy(self)
        other._effort = effort
        return other

    @property
    def working_bytes(self) -> int:
        """Memory that one row takes at most, about: the inputs of one call, converted, and the scores of all."""
        row = row_bytes(self._background) if self._background else 0
        outputs = self._base.shape[1]
        return 3 * min(_CHUNK_BYTES, _CHUNK_ROWS * row) + 16 * outputs * self._effort.evaluations

    def fed(self, columns: Mapping[str, Column]) -> Fed:
        """Return the tensors of raw features of a request's inputs; RequestError for tf.Examples of other types."""
        if not self._signature.takes_examples:
            return columns
        from serving.models.savedmodel import parsed  # noqa: PLC0415

        assert self._model.rows is not None
        rows = parsed(columns[self._signature.inputs[0].name].tolist())
        named = [{name: values for name, values in row.items() if name in self.features.by_name} for row in rows]
        question = requests.Question("rows", "instances", [self._single(row) for row in named], {})
        return requests.feeds(question, self._model.rows, len(named)).columns

    def predict(self, fed: Fed) -> Scores:
        """Return the scores of rows, [rows, outputs]."""
        return self._scores(fed)

    def explain(self, fed: Fed, check: Callable[[], None] = nothing) -> list[Explained]:
        """Explain rows; `check` is called between calls of the model, and may raise to stop.

        Raises RequestError as the model does.
        """
        if not len(next(iter(fed.values()), ())):
            return []
        predictions = self._scores(fed)
        if self._own is not None:
            return self._by_signature(fed, predictions)
        rows = range(len(predictions))
        return [
            self._by_walks({name: values[at : at + 1] for name, values in fed.items()}, predictions[at], check)
            for at in rows
        ]

    def _by_walks(self, row: Fed, prediction: Column, check: Callable[[], None]) -> Explained:
        players = Players(self.features.features, row, self._background)
        base = self._base
        if players.are_words:  # a word that is left out is replaced by nothing, so that all background rows are alike
            players = Players(
                self.features.features, row, {name: values[:1] for name, values in self._background.items()}
            )
            base = base[:1]
        if players.have_parts:
            none = np.zeros((len(base), len(players)), bool)
            base = self._evaluate(players, check)(none, np.arange(len(base)))
        effort = self._effort.of_parts() if players.have_parts else self._effort
        found = attribute(Game(base, players.same), effort, self._evaluate(players, check))
        mean = base[starts(len(players), len(base), effort)].mean(axis=0)
        every = players.by_feature(found.values)
        output = int(prediction.argmax())
        return Explained(
            output=output,
            class_name=self._class_name(output, len(prediction)),
            prediction=float(prediction[output]),
            base=float(mean[output]),
            attributions=self._named(every[:, output]),
            every=every,
            scores=tuple(prediction.tolist()),
            words=players.words(found.values[:, output]),
            cells=players.cells(found.values[:, output]),
            evaluations=found.evaluations + players.have_parts * len(base),
            is_exact=found.is_exact,
        )

    def _by_signature(self, fed: Fed, predictions: Column) -> list[Explained]:
        assert self._own is not None
        answers = self._model.run(self._own, self._inputs(fed))
        if not {"attributions", "base"} <= answers.keys():
            raise ModelError(
                f"signature {EXPLAIN_SIGNATURE!r}: wanted the outputs attributions and base, got {sorted(answers)}"
            )
        rows, outputs = predictions.shape
        count = len(self.features.features)
        values = np.asarray(answers["attributions"], np.float64)
        if values.size not in {rows * count, rows * count * outputs}:
            raise ModelError(
                f"signature {EXPLAIN_SIGNATURE!r}: wanted attributions of the shape [{rows}, {count}], one for each "
                f"feature, got {list(values.shape)}"
            )
        values = values.reshape(rows, count, -1)
        base = np.asarray(answers["base"], np.float64).reshape(rows, -1)
        found = []
        for at in range(rows):
            output = int(predictions[at].argmax())
            every = values[at]
            own, start = (array[..., output if array.shape[-1] > output else 0] for array in (every, base[at]))
            found.append(
                Explained(
                    output=output,
                    class_name=self._class_name(output, outputs),
                    prediction=float(predictions[at, output]),
                    base=float(start),
                    attributions=self._named(own),
                    every=every,
                    scores=tuple(predictions[at].tolist()),
                )
            )
        return found

    def _evaluate(self, players: Players, check: Callable[[], None]) -> Evaluate:
        each = max(1, min(_CHUNK_ROWS, _CHUNK_BYTES // max(row_bytes(players.tables), 1)))

        def evaluate(mask: Any, background: Any) -> Any:
            parts = []
            for start in range(0, len(mask), each):
                check()
                parts.append(
                    self._scores(players.columns(mask[start : start + each], background[start : start + each]))
                )
            return np.concatenate(parts)

        return evaluate

    def _scores(self, fed: Fed) -> Scores:
        answers = self._model.run(self._signature, self._inputs(fed))
        values = answers[self._output]
        scores: Scores = values.reshape(len(values), -1).astype(np.float64)
        return scores

    def _inputs(self, fed: Fed) -> Fed:
        if not self._signature.takes_examples:
            return fed
        rows = [dict[str, list[Any]]() for _ in range(len(next(iter(fed.values()))))]
        for feature in self.features.features:
            for row, values in zip(rows, joined(feature, fed), strict=True):
                if values:
                    row[feature.name] = values
        return {self._signature.inputs[0].name: serialize(rows)}

    def _read(self, rows: Signature, given: Sequence[Row] | None) -> Fed:
        path = self._model.path / BACKGROUND_ROWS
        found = read_background(self._model.path) if given is None else list(given)
        if not found:
            raise ModelError(f"{path}: wanted background rows, which training writes, got none; train again")
        question = requests.Question("background", "instances", found[:BACKGROUND], {})
        try:
            fed = requests.feeds(question, rows, len(found)).columns
            if not np.isfinite(self._scores(fed)).all():
                raise ModelError(
                    f"{path}: the model's answer to one of them is not a finite number; check the training"
                )
        except RequestError as error:
            message = str(error).replace("instances[", "row [")
            raise ModelError(
                f"{path}: wanted rows of the model's features, got others: {message}; train again, which writes them"
            ) from error
        return fed

    def _default(self, model: SavedModel) -> Signature:
        found = model.signatures.get(DEFAULT_SIGNATURE)
        features = {feature.name for feature in self.features.features}
        if found is None or not (found.takes_examples or set(found.fields) == features):
            raise ModelError(
                f"{model.path}: wanted a signature {DEFAULT_SIGNATURE!r} that takes the features of features.json"
            )
        return found

    def _scored(self, signature: Signature) -> str:
        numeric = [field.name for field in signature.outputs if field.dtype.startswith("float")]
        name = scored_output([field.name for field in signature.outputs], numeric)
        if name is None:
            raise ModelError(
                f"{self._model.path}: wanted one numeric output to explain, got {', '.join(numeric) or 'none'}"
            )
        return name

    def _named(self, values: Column) -> dict[str, float]:
        return dict(zip(self.features.by_name, values.tolist(), strict=True))

    def _class_name(self, output: int, outputs: int) -> str:
        classes = self.features.classes
        if outputs == 1:
            return classes[1] if len(classes) == 2 else ""
        return classes[output] if len(classes) == outputs else ""

    def _single(self, row: Mapping[str, list[Any]]) -> dict[str, Any]:
        """Return a row of tf.Example as a request has it: one value, unless the feature is a list or has a shape."""
        found = {}
        for name, values in row.items():
            feature: Feature = self.features.by_name[name]
            shaped = (
                np.array(values, object).reshape([size or -1 for size in feature.shape]).tolist()
                if feature.shape
                else values[0]
            )
            found[name] = shaped
        return found


def read_background(saved_model: Path) -> list[Row]:
    """Read the background rows of a model, none where it has none; ModelError for a file that is not JSON lines."""
    path = saved_model / BACKGROUND_ROWS
    try:
        return read_rows(path, BACKGROUND)
    except ValueError as error:
        raise ModelError(f"{path}: wanted one JSON object a line, got {error}; train again") from None
