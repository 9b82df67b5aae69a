"""`mlops explain` says what each feature of a row adds, as text, JSON and a page."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from artifacts.explanations.explained import Explained
from core.backends.registry import open_registry
from core.errors import UsageError
from core.store import Store
from mlops.actions.explained_row import ExplainedPrediction
from mlops.cli.trust.explain import explain

EXPLAINED = Explained(
    output=0,
    class_name="spam",
    prediction=0.75,
    base=0.25,
    attributions={"hour": 0.75, "text": -0.25},
    every=np.array([[0.75], [-0.25]]),
    scores=(0.75,),
    words={"text": (("see", -0.3), ("you <b>", 0.05))},
    cells={"image": np.array([[0.5, -0.5], [0.0, 0.0]])},
)


@pytest.fixture
def row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run the verb over a version whose explanation is known."""
    from serving.bodies.explanations import explanation

    store = Store(tmp_path / "home")
    saved_model = tmp_path / "model"
    saved_model.mkdir()
    (saved_model / "saved_model.pb").write_bytes(b"")
    registry = open_registry(str(store.models))
    registry.promote("spam", registry.publish("spam", saved_model, {}).version)
    values = {"hour": "17", "text": "see you <b>"}
    found = ExplainedPrediction(explanation(EXPLAINED), values, EXPLAINED, {})
    monkeypatch.setattr("mlops.actions.explained_row.explain_row", lambda *_: found)
    rows = tmp_path / "rows.csv"
    rows.write_text("text\nsee you\n")

    def run(*options: str) -> Result:
        return CliRunner().invoke(explain, ["spam", str(rows), *options], obj=store, catch_exceptions=False)

    return run


def test_a_terminal_gets_a_waterfall(row: Callable[..., Result]) -> None:
    lines = row().output.splitlines()
    assert "spam version 1, row 1 of" in lines[0]
    assert lines[0].endswith("probability of spam 0.75")
    assert [line.split()[0] for line in lines[1:5]] == ["base", "hour", "text", "prediction"]
    assert "+0.75" in lines[2]
    assert lines[2].count("█") > lines[3].count("█") > 0
    assert "see(-0.3)" in row().output


def test_a_machine_gets_the_same_facts_and_a_person_a_page(row: Callable[..., Result], tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    found: dict[str, Any] = json.loads(row("--json", "--html", str(page)).output)
    assert (found["model"], found["version"], found["row"]) == ("spam", 1, 1)
    assert found["explanation"]["attributions"] == {"hour": 0.75, "text": -0.25}
    written = page.read_text()
    assert written.count("<svg") >= 2
    assert "you &lt;b&gt;" in written
    assert "<script" not in written


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rows.txt").write_text("x")
    with pytest.raises(UsageError, match=r"wanted a .csv, .jsonl or .parquet file, got .txt"):
        CliRunner().invoke(explain, ["spam", str(tmp_path / "rows.txt")], obj=Store(tmp_path), catch_exceptions=False)
