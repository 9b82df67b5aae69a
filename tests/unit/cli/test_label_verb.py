"""`mlops label` from a queue to imported labels, on the rows of a use case that ships."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from core.errors import MlopsError, UsageError
from core.store import Store
from mlops.cli.labels.command import label


def run(store: Path, *arguments: str) -> Result:
    result = CliRunner().invoke(label, list(arguments), obj=Store(store))
    if isinstance(result.exception, MlopsError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


def answered(path: Path) -> None:
    tasks: list[dict[str, Any]] = json.loads(path.read_text())
    for task in tasks:
        result = [{"from_name": "label", "to_name": "text", "type": "choices", "value": {"choices": ["Gentoo"]}}]
        annotation = {"completed_by": {"email": "ann"}, "created_at": "2026-11-01T12:00:00Z", "result": result}
        task["annotations"] = [annotation]
    path.write_text(json.dumps(tasks))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


def test_rows_are_queued_exported_answered_and_imported_once(store: Path) -> None:
    made = json.loads(run(store, "queue", "penguins", "--count", "6", "--relabel", "--json").output)
    assert len(made["keys"]) == 6
    file = store / "tasks.json"
    assert run(store, "export", "penguins", "--output", str(file)).output.startswith("6 tasks in")
    answered(file)
    first, second = (json.loads(run(store, "import", "penguins", str(file), "--json").output) for _ in range(2))
    assert (first["new"], second["new"], second["file"]) == (6, 0, None)
    rest = json.loads(run(store, "queue", "penguins", "--count", "200", "--relabel", "--json").output)
    assert not set(made["keys"]) & set(rest["keys"]), "rows with a label are not queued again"
    with pytest.raises(UsageError, match=r"nothing\.json: wanted a file of label-studio"):
        run(store, "import", "penguins", str(store / "nothing.json"))


def test_the_learning_curve_is_a_picture(store: Path) -> None:
    page = store / "curve.html"
    options = ["--count", "40", "--seeds", "1", "--output", str(page)]
    found = run(store, "curve", "penguins", *options).output
    assert found.splitlines()[0].split() == ["labels", "margin", "random"]
    assert "<svg" in page.read_text()
