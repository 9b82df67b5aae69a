"""The queue of a use case: the rows that people label next, as one file in the store."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from artifacts.examples.names import TRAIN
from artifacts.labels.errors import EvalRow, OtherProject, UnknownRow
from artifacts.labels.files import folder_of, labels
from artifacts.labels.reader import Label, Value, accepted
from core import durable
from core.errors import CorruptArtifact, UsageError
from core.store import Store
from mlops.actions.labeling.matrix import matrix
from mlops.actions.labeling.rows import Rows
from mlops.actions.labeling.strategies import Pool, Strategy, choose, fitted

_NAME = "queue.json"


class QueuedRow(BaseModel):
    """A row to label."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    features: dict[str, Any]
    suggestion: dict[str, float] = Field(default_factory=dict)
    """Probability of each class by a quick model; empty before there are labels of two classes."""


class Queue(BaseModel):
    """Rows to label, the most useful first."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    usecase: str
    label: str
    classes: tuple[Value, ...]
    strategy: Strategy
    overlap: int = Field(ge=1)
    """How many annotators label each row."""
    rows: tuple[QueuedRow, ...]

    @classmethod
    def read(cls, store: Store, rows: Rows) -> Self:
        """Read the queue of a use case; UsageError when there is none, EvalRow or UnknownRow for a row of another kind.

        Raises CorruptArtifact for a file that is no queue.
        """
        path = folder_of(store.root, rows.usecase) / _NAME
        try:
            queue = cls.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            raise UsageError(
                f"{path}: wanted a queue, got no file; first: mlops label queue {rows.usecase} --count 100"
            ) from None
        except ValidationError as error:
            raise CorruptArtifact(
                f"{path}: wanted a queue, got {error.errors()[0]['msg']}; make it again with mlops label queue"
            ) from None
        if queue.usecase != rows.usecase:
            raise OtherProject(f"{path}: wanted a queue of {rows.usecase}, got one of {queue.usecase}; make it again")
        for row in queue.rows:
            check_row(row.key, rows, str(path))
        return queue

    def write(self, store: Store) -> Path:
        """Write it atomically as the use case's queue; returns its path."""
        folder = folder_of(store.root, self.usecase)
        folder.mkdir(parents=True, exist_ok=True)
        content = json.dumps(self.model_dump(mode="json"), indent=1, ensure_ascii=False, allow_nan=False)
        durable.replace(folder / _NAME, f"{content}\n".encode())
        return folder / _NAME


@dataclass(frozen=True)
class QueueOptions:
    """What is asked of a queue."""

    strategy: Strategy = "margin"
    count: int = 100
    overlap: int = 1
    seed: int = 0
    relabel: bool = False
    """Whether rows are queued that have a label in the source, which then does not count as known."""


def check_row(key: str, rows: Rows, where: str) -> None:
    """Raise UnknownRow for a key that no row has, EvalRow for one of a row that a model is evaluated on."""
    row = rows.by_key.get(key)
    if row is None:
        raise UnknownRow(
            f"{where}: key {key!r:.80}: wanted the key of a row of the data, got one that no row has; "
            "make the queue again, or name the --span that has the row"
        )
    if row.split != TRAIN:
        raise EvalRow(
            f"{where}: key {key!r:.80}: wanted a row of the split {TRAIN}, got one of {row.split}: what is chosen by a "
            "model must not be what models are measured on; make the queue again"
        )


def make_queue(store: Store, rows: Rows, options: QueueOptions) -> Queue:
    """Choose the rows of the train split to label next, and suggest their labels; UsageError when none is open.

    Rows that have a label, or were labeled by `overlap` annotators already, are not chosen.
    """
    if not rows.classes:
        raise UsageError(
            f"{rows.usecase}: a queue is for classes, and {rows.label} is a number; label rows with a program"
        )
    given = accepted(labels(folder_of(store.root, rows.usecase))).labels
    pool = _pool(rows, given, options)
    if not len(pool.open):
        raise UsageError(
            f"{rows.usecase}: every row of the split {TRAIN} has a label; --relabel queues those that the source labels"
        )
    chosen = choose(pool, options.strategy, options.count, options.seed)
    suggested = fitted(pool) if len(set(pool.labels)) > 1 else None
    queued = []
    for place in chosen:
        row = rows.rows[place]
        queued.append(QueuedRow(key=row.key, features=row.features, suggestion=_named(rows, suggested, place)))
    return Queue(
        usecase=rows.usecase,
        label=rows.label,
        classes=rows.classes,
        strategy=options.strategy,
        overlap=options.overlap,
        rows=tuple(queued),
    )


def open_for(queue: Queue, given: Iterable[Label], annotator: str) -> list[QueuedRow]:
    """Return the rows that an annotator has not labeled, and too few others have."""
    count: Counter[str] = Counter()
    done = set()
    for label in given:
        count[label.key] += 1
        if label.annotator == annotator:
            done.add(label.key)
    return [row for row in queue.rows if row.key not in done and count[row.key] < queue.overlap]


def _pool(rows: Rows, given: list[Label], options: QueueOptions) -> Pool:
    """Collect what is known: the labels that people gave, by majority, and those of the source."""
    votes: dict[str, Counter[Value]] = {}
    for label in given:
        votes.setdefault(label.key, Counter())[label.label] += 1
    known, values, is_open = [], [], []
    for place, row in enumerate(rows.rows):
        if row.split != TRAIN:
            continue
        value = votes[row.key].most_common(1)[0][0] if row.key in votes else None if options.relabel else row.label
        if value is not None and value in rows.classes:
            known.append(place)
            values.append(value)
        is_labeled = row.label is not None and not options.relabel
        if not is_labeled and votes.get(row.key, Counter()).total() < options.overlap:
            is_open.append(place)
    whole = matrix(rows.rows)
    return Pool(whole, np.array(known, np.intp), values, np.array(is_open, np.intp), rows.classes)


def _named(rows: Rows, suggested: Any, place: int) -> dict[str, float]:
    if suggested is None:
        return {}
    return {str(one): round(float(value), 4) for one, value in zip(rows.classes, suggested[place], strict=True)}
