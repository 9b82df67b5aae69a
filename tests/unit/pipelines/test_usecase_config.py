"""A wrong configuration is answered with file, line, key, what was wanted, what was got and the nearest valid name."""

from pathlib import Path

import pytest

from mlops.core.errors import ConfigError, UsageError
from pipelines.config import USECASES, find, load

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
