"""A wrong configuration is answered with file, line, key, what was wanted, what was got and the nearest valid name."""

import json
import os
import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from core.errors import ConfigError, UsageError
from pipelines.config import USECASES, find, json_schema, load

FLIGHT_DELAY = (USECASES / "flight_delay" / "config.yaml").read_text(encoding="utf-8")


def _folder(tmp_path: Path, text: str) -> Path:
    (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
    return tmp_path


def _line(text: str, start: str) -> int:
    return next(number for number, line in enumerate(text.splitlines(), 1) if line.startswith(start))


def test_the_problem_is_shared_with_the_stages_that_need_it() -> None:
    usecase = load(find("flight_delay"))
    assert usecase.train_model.label == usecase.problem.label == "late"
    assert usecase.evaluate_model.metrics == usecase.scope_use_case.metrics == usecase.problem.metrics


def test_a_wrong_entry_of_a_list_does_not_make_the_list_too_short(tmp_path: Path) -> None:
    why = 'why: "walk-forward over March to December 2013: the worst month, October, reaches 0.649 (README.md)"'
    assert why in FLIGHT_DELAY
    with pytest.raises(ConfigError) as caught:
        load(_folder(tmp_path, FLIGHT_DELAY.replace(why, "why: short", 1)))
    (line,) = str(caught.value).splitlines()
    assert line.endswith("problem.metrics.0.why: String should have at least 10 characters; got 'short'")
    start = FLIGHT_DELAY.index("  metrics:")
    none = FLIGHT_DELAY[:start] + "  metrics: []\n" + FLIGHT_DELAY[FLIGHT_DELAY.index("scope_use_case:") :]
    with pytest.raises(ConfigError, match="at least 1 item"):
        load(_folder(tmp_path, none))


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("  window: ", "  windw: ", "did you mean 'window'"),
        ("train_model:", "trian_model:", "did you mean 'train_model'"),
        ("  task: binary_classification", "  task: binary", "binary_classification"),
        ("name: flight_delay", "name: Flight Delay", "name"),
        ("  label: late", "  label: late\n  label: early", "written twice"),
        ("    latency_ms: 50", "    latency_ms: -1", "greater than 0"),
        ("  primary_metric: auc", "  primary_metric: auc\n  label: late", "under `problem`"),
        ("problem:", "problem: [", "not readable as YAML"),
        ("    cron:", "    crn:", "schedules.retrain.crn is not a key here; did you mean 'cron'"),
        (
            "{resources: {memory",
            "{resorces: {memory",
            "steps.train_model.resorces is not a key here; did you mean 'resources'",
        ),
        ("{resources: {memory", "{resources: {memry", "did you mean 'memory'"),
    ],
)
def test_a_mistake_names_its_line(tmp_path: Path, old: str, new: str, wanted: str) -> None:
    assert old in FLIGHT_DELAY
    text = FLIGHT_DELAY.replace(old, new, 1)
    with pytest.raises(ConfigError) as caught:
        load(_folder(tmp_path, text))
    message = str(caught.value)
    assert wanted in message
    assert "config.yaml" in message


def test_the_line_is_the_line_of_the_key(tmp_path: Path) -> None:
    text = FLIGHT_DELAY.replace("  window: ", "  windw: ", 1)
    with pytest.raises(ConfigError, match=f"config.yaml:{_line(text, '  windw: ')}: ingest_examples.windw"):
        load(_folder(tmp_path, text))


def test_an_unknown_use_case_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'flight_delay'"):
        find("flight_delays")


PUBLISHED = USECASES.parent / "docs" / "config.schema.json"


def test_the_published_schema_is_the_models_own() -> None:
    current = json.dumps(json_schema(), indent=2) + "\n"
    if os.environ.get("REFRESH_GOLDEN"):
        PUBLISHED.write_text(current, encoding="utf-8")
    assert PUBLISHED.read_text(encoding="utf-8") == current, (
        "if the change is meant: REFRESH_GOLDEN=1 .venv/bin/pytest tests/unit/pipelines"
    )


def test_an_editor_accepts_what_the_loader_accepts() -> None:
    jsonschema.validate(yaml.safe_load(FLIGHT_DELAY), json_schema())


@pytest.mark.parametrize("key", ["group_by", "stratify_by"])
def test_splits_do_not_depend_on_the_label(tmp_path: Path, key: str) -> None:
    split = f"split: {{by: hash, {key}: [origin, late]}}\n"
    text = re.sub(r"  split:\n(    .*\n)+", f"  {split}", FLIGHT_DELAY)
    assert split in text
    with pytest.raises(ConfigError, match=rf"config.yaml:\d+: ingest_examples.split.{key}: .*got the label 'late'"):
        load(_folder(tmp_path, text))


def test_a_key_is_a_column_or_several(tmp_path: Path) -> None:
    for written, key in (("id", ("id",)), ("[id, day]", ("id", "day"))):
        usecase = load(_folder(tmp_path, FLIGHT_DELAY.replace("  label: late", f"  label: late\n  key: {written}", 1)))
        assert usecase.ingest_examples.key == key
