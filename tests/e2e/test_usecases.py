"""Every kind of problem goes the whole way: from data to an answer over REST and a report that fits."""

import base64
import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mlops.report.outcome import Outcome
from mlops.worlds.finished import run_to_end
from mlops.worlds.world import RunRequest
from pipelines.config import USECASES, load

from .conftest import LaptopAt
from .terminal import Terminal, answer, serving

pytestmark = pytest.mark.timeout(900)

PENGUIN = {
    "island": "Biscoe",
    "bill_length_mm": 50.0,
    "bill_depth_mm": 15.0,
    "flipper_length_mm": 222.0,
    "body_mass_g": 5500.0,
    "sex": "male",
}
SPAM = {"text": "WINNER!! You have won a £1000 prize. Call 09061701461 now to claim, T&Cs apply, 150ppm"}
HAM = {"text": "ok, see you at home then"}
FLIGHT = {
    "carrier": "UA",
    "origin": "EWR",
    "dest": "SFO",
    "hour": 18,
    "day_of_week": 5,
    "distance": 2565.0,
    "previous_air_time": 350.0,
}
SHOWN = {
    "penguins": ("Confusion matrix", "Chinstrap"),
    "air_time": ("esidual",),
    "digits": ("Confusion matrix", "data:image/png;base64"),
    "spam": ("ROC", "spam", "label model", "words_of_friends"),
}
"""What the report of a use case shows."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("usecases") / "home"


@pytest.fixture(scope="module")
def runs(home: Path, laptop_at: LaptopAt) -> dict[str, tuple[Outcome, Path]]:
    """All of them through level 1, in one store and with warm workers."""
    laptop = laptop_at(home)
    return {name: run_to_end(laptop, RunRequest(load(USECASES / name))) for name in SHOWN}


@dataclass(frozen=True)
class Newcomer:
    """What a newcomer has of a file with gaps, an identifier and a text: one command a step."""

    folder: Path
    made: dict[str, Any]
    outcome: Outcome


@pytest.fixture(scope="module")
def newcomer(home: Path, laptop_at: LaptopAt, tmp_path_factory: pytest.TempPathFactory) -> Newcomer:
    source = _orders(tmp_path_factory.mktemp("newcomer") / "orders.csv")
    folder = source.parent / "late_orders"
    made = Terminal(home).ask(
        "new", "usecase", folder.name, "--from", str(source), "--label", "late", "--to", str(folder)
    )
    return Newcomer(folder, made, run_to_end(laptop_at(home), RunRequest(load(folder)))[0])


@pytest.fixture(scope="module")
def terminal(home: Path, runs: dict[str, tuple[Outcome, Path]]) -> Terminal:
    """A terminal beside the store in which the runs left their models."""
    return Terminal(home)


@pytest.fixture(scope="module")
def address(terminal: Terminal, newcomer: Newcomer) -> Iterator[str]:
    """One server for all of them: most of its start is the import of TensorFlow."""
    with serving(terminal, *SHOWN, str(newcomer.folder)) as address:
        yield f"{address}/v1/models"


@pytest.mark.parametrize("name", SHOWN)
def test_every_gate_opens_and_the_report_fits_the_kind(runs: dict[str, tuple[Outcome, Path]], name: str) -> None:
    outcome, report = runs[name]
    assert outcome.pushed is not None, outcome.headline
    text = report.read_text(encoding="utf-8")
    assert [word for word in SHOWN[name] if word not in text] == []


def test_a_class_is_answered_by_its_word(address: str) -> None:
    (classes,) = answer(f"{address}/penguins:classify", {"examples": [PENGUIN]})["results"]
    scores = dict(classes)
    assert sorted(scores) == ["Adelie", "Chinstrap", "Gentoo"]
    assert max(scores, key=lambda word: scores[word]) == "Gentoo"
    for message, word in ((SPAM, "spam"), (HAM, "ham")):
        (classes,) = answer(f"{address}/spam:classify", {"examples": [message]})["results"]
        scores = dict(classes)
        assert sorted(scores) == ["ham", "spam"]
        assert scores[word] > 0.5


def test_a_measure_that_was_not_taken_is_left_out(address: str) -> None:
    known = {name: value for name, value in PENGUIN.items() if name != "sex"}
    (row,) = answer(f"{address}/penguins:predict", {"instances": [known]})["predictions"]
    assert sum(row) == pytest.approx(1, abs=1e-5)


def test_a_regression_answers_in_minutes(address: str) -> None:
    (minutes,) = answer(f"{address}/air_time:regress", {"examples": [FLIGHT]})["results"]
    assert 300 < minutes < 400


def test_a_picture_is_sent_as_its_bytes(address: str) -> None:
    lines = (USECASES / "digits" / "sample.jsonl").read_text(encoding="utf-8").splitlines()[:8]
    rows = [json.loads(line) for line in lines]
    assert base64.b64decode(rows[0]["image"]["b64"]).startswith(b"\x89PNG")
    scores = answer(f"{address}/digits:predict", {"instances": rows})["predictions"]
    assert [max(range(10), key=row.__getitem__) for row in scores] == [3, 4, 6, 6, 6, 4, 9, 1]


@pytest.mark.parametrize("name", SHOWN)
def test_the_sample_is_predicted_row_by_row(terminal: Terminal, name: str) -> None:
    (sample,) = (USECASES / name).glob("sample.*")
    found = terminal.ask("predict", name, str(sample))
    with sample.open(encoding="utf-8", newline="") as stream:
        rows = len(list(csv.DictReader(stream))) if sample.suffix == ".csv" else len(list(stream))
    assert len(found["predictions"]) == rows


@pytest.mark.nightly("a run of its own; tests/component/measure_fairness has the group that is too small")
def test_a_group_that_is_too_small_keeps_a_model_out_of_production(home: Path, laptop_at: LaptopAt) -> None:
    outcome, report = run_to_end(laptop_at(home), RunRequest(load(USECASES / "loan")))
    assert (outcome.pushed, outcome.exit_code) == (None, 3)
    assert outcome.closed is not None
    assert (outcome.closed.gate, outcome.closed.verdict) == ("measure_fairness", "undecided")
    assert "black is too small to decide about its true_positive_rate" in outcome.next_step
    text = report.read_text(encoding="utf-8")
    assert [word for word in ("gap by race", "hispanic", "swapped, nothing else") if word not in text] == []


@pytest.mark.nightly("trains on 24,000 rows twice")
def test_a_constrained_model_goes_into_production_and_is_asked_without_the_group(
    tmp_path: Path, laptop_at: LaptopAt
) -> None:
    terminal = Terminal(tmp_path / "home")
    outcome, report = run_to_end(laptop_at(terminal.home), RunRequest(load(USECASES / "income")))
    assert outcome.pushed is not None, f"{outcome.headline} {outcome.reason}"
    gates = {decision.gate: decision for decision in outcome.decisions}
    assert str(gates["constrain_model"].checks[0].observed).startswith("the constrained model: ")
    assert "the gap of other rates grows" in report.read_text(encoding="utf-8")
    lines = (USECASES / "income" / "sample.csv").read_text(encoding="utf-8").splitlines()
    row = next(csv.DictReader(lines))
    asked = {name: int(cell) if cell.isdecimal() else cell for name, cell in row.items()}
    for group in ("sex", "race", "income"):
        del asked[group]
    with serving(terminal, "income") as address:
        (classes,) = answer(f"{address}/v1/models/income:classify", {"examples": [asked]})["results"]
    assert sorted(dict(classes)) == ["<=50K", ">50K"]


def test_from_a_csv_to_a_served_model(newcomer: Newcomer, address: str) -> None:
    assert (newcomer.made["task"], newcomer.made["positive"]) == ("binary_classification", "yes")
    assert sorted(newcomer.made["left_out"]) == ["id", "shop"]
    assert newcomer.made["texts"] == ["note"]
    assert newcomer.outcome.pushed is not None, newcomer.outcome.headline
    order: dict[str, Any] = {"weight": 9.5, "city": "Oslo", "note": "please hurry with this one", "ordered_month": 1}
    (classes,) = answer(f"{address}/late_orders:classify", {"examples": [{**order, "ordered_day_of_week": 2}]})[
        "results"
    ]
    assert sorted(dict(classes)) == ["no", "yes"]


def _orders(path: Path) -> Path:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, delimiter=";")
        writer.writerow(("id", "ordered", "weight", "city", "note", "shop", "late"))
        for row in range(400):
            weight = (row * 37 % 101) / 10
            late = "yes" if weight + row % 3 > 7 else "no"
            note = f"please {('hurry', 'wait', 'call')[row % 3]} with order number {row}"
            day = f"2024-{1 + row % 12:02}-{1 + row % 28:02}"
            cell = "NA" if row % 17 == 0 else weight
            writer.writerow((f"K{row:05}", day, cell, ("Oslo", "Rome", "Lima")[row % 3], note, "main", late))
    return path
