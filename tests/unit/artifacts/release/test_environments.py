"""The file of the environments is a closed list in one row; anything else is a mistake with its line."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from artifacts.release.record import Release
from core.errors import ConfigError
from pipelines.environments import DEFAULT, load_environments

DEV = {
    "requires": ["evaluate_model"],
    "waives": dict.fromkeys(("clean_tree", "images", "sboms", "tests", "model_card"), "a reason to waive"),
    "attestation": "nobody signs here",
}


def _write(path: Path, **environments: Any) -> Path:
    path.write_text(yaml.safe_dump({"environments": environments}, sort_keys=False), encoding="utf-8")
    return path


@pytest.mark.parametrize("path", [DEFAULT, DEFAULT.with_name("environments.laptop.yaml")], ids=lambda path: path.name)
def test_the_files_that_come_with_the_project_are_valid(path: Path) -> None:
    assert load_environments(path).order == ("dev", "staging", "prod")


def test_no_environment_of_the_cloud_is_easier_than_the_one_before_it() -> None:
    environments = load_environments(DEFAULT)
    demanded = [set(environments.environments[name].requires) for name in environments.order]
    assert demanded == sorted(demanded, key=len)
    assert not isinstance(environments.environments["prod"].attestation, str)


@pytest.mark.parametrize(
    ("environments", "why"),
    [
        ({"dev": DEV | {"requires": ["evaluate"]}}, "'evaluate' is no evidence; did you mean 'evaluate_model'?"),
        ({"dev": DEV | {"requires": []}}, "at least 1 item"),
        ({"dev": {"requires": DEV["requires"], "waives": DEV["waives"]}}, "dev.attestation: Field required"),
        ({"dev": DEV | {"waives": {"tests": "a reason to waive"}}}, "requires leaves out clean_tree, images, sboms"),
        ({"dev": DEV | {"requires": ["tests"]}}, "wanted tests in one of requires and waives, got it in both"),
        ({"dev": DEV | {"requires": ["evaluate_model"] * 2}}, "wanted each once"),
        ({"dev": DEV | {"attestation": {"tool": "gpg"}}}, "dev.attestation"),
        ({"dev": DEV | {"after": "prod"}, "prod": DEV | {"after": "dev"}}, "wanted one environment without `after`"),
        ({"dev": DEV, "prod": DEV | {"after": "staging"}}, "after names 'staging', which is no environment here"),
        ({"dev": DEV, "a": DEV | {"after": "dev"}, "b": DEV | {"after": "dev"}}, "wanted the environments in one row"),
        ({"dev": DEV | {"promotes": "model"}}, "dev.promotes: Extra inputs are not permitted"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_line(tmp_path: Path, environments: Any, why: str) -> None:
    path = _write(tmp_path / "environments.yaml", **environments)
    with pytest.raises(ConfigError) as mistake:
        load_environments(path)
    assert why in str(mistake.value)
    assert str(mistake.value).startswith(f"{path}:")


def test_a_file_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLOPS_ENVIRONMENTS", str(tmp_path / "missing.yaml"))
    with pytest.raises(ConfigError, match=r"missing\.yaml: there is no such file"):
        load_environments()


def test_the_published_schema_is_that_of_the_record() -> None:
    published = Path(__file__).resolve().parents[4] / "docs" / "release.schema.json"
    again = (
        "import json; from artifacts.release.record import Release as R; "
        "print(json.dumps(R.model_json_schema(), indent=2))"
    )
    assert json.loads(published.read_text(encoding="utf-8")) == Release.model_json_schema(), (
        f"write it again: python -c '{again}' > docs/{published.name}"
    )
