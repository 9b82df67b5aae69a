"""Prepares a use case for a benchmark of models: ingested, labeled and transformed by the stages' own functions."""

import datetime
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pipelines.config import UseCase, find, load


class Prepared(NamedTuple):
    """One use case, ready to train on."""

    usecase: UseCase
    examples: Path
    graph: Path


class Circumstances:
    """When and where something is measured; its text is for the page, once the measurement has ended."""

    def __init__(self) -> None:
        """Start now."""
        self._load = os.getloadavg()[0]

    def __str__(self) -> str:
        """Return date, cores and load."""
        today = datetime.datetime.now(datetime.UTC).date()
        cores, load = len(os.sched_getaffinity(0)), os.getloadavg()[0]
        return f"Measured on {today}, {cores} cores, load {self._load:.1f} before and {load:.1f} after."


def prepare(name: str, folder: Path) -> Prepared:
    """Fetch the data of a use case and run its stages before the training."""
    from components.ingest_examples.logic import PinnedSource, ingest
    from components.transform_features.logic import Inputs, transform
    from core.user_code import load as load_module

    usecase = load(find(name))
    place = folder / name
    load_module(str(usecase.folder / "data.py")).write_spans(place / "data")
    source = PinnedSource(str(place / "data" / usecase.source.pattern), int(str(usecase.source.span)), "")
    examples = place / "examples"
    ingest(usecase.ingest_examples, source, usecase.schema_file, examples)
    if usecase.has("label_examples"):
        examples = _labeled(usecase, examples, place)
    transform(usecase.transform_features, Inputs(usecase.module, usecase.schema_file, examples), place / "graph")
    return Prepared(usecase, examples, place / "graph")


def _labeled(usecase: UseCase, examples: Path, place: Path) -> Path:
    from components.label_examples.logic import Inputs, Outputs, label

    outputs = Outputs(place / "labeled", place / "decision.json", place / "labeling.html", lambda *_: None)
    label(usecase.label_examples, Inputs(usecase.labeling, usecase.schema_file, examples), outputs)
    return place / "labeled"


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown, numbers to the right."""
    lines = [headings, ["---", *["---:"] * (len(headings) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write_between(page: Path, name: str, content: str) -> None:
    """Put content between the two comments of a page that carry its name; ValueError where it has none."""
    text = page.read_text(encoding="utf-8")
    start, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    before, found, rest = text.partition(start)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"{page}: wanted the comments {start} and {end}")
    page.write_text(f"{before}{start}\n\n{content}\n\n{end}{after}", encoding="utf-8")
