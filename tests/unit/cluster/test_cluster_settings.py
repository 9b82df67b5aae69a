"""What can be set, and what is said about a value that cannot be used."""

from pathlib import Path

import pytest

from core.errors import UsageError
from mlops.cluster.settings import VARIABLES, format_duration, parse_duration, read

WRONG = [
    ("MLOPS_DEADLINE_KFP", "ten minutes"),
    ("MLOPS_DEADLINE_KIND", "0"),
    ("MLOPS_DEADLINE_LOAD", "-5m"),
    ("MLOPS_DEADLINE_SERVER", "m"),
    ("MLOPS_PORT_UI", "http"),
    ("MLOPS_PORT_SERVER", "70000"),
    ("MLOPS_PULL_POLICY", "ifnotpresent"),
    ("MLOPS_NETWORK_POLICIES", "no"),
    ("MLOPS_KIND_CLUSTER", "My Cluster"),
    ("MLOPS_KFP_CPU_REQUEST", "little"),
    ("MLOPS_SERVER_CPU", "two"),
    ("MLOPS_SERVER_MEMORY", "1 GB"),
    ("MLOPS_IMAGE_OVERRIDES", "a=,b=c"),
    ("MLOPS_IMAGE_OVERRIDES", "/nowhere.yaml"),
]


@pytest.mark.parametrize(("variable", "value"), WRONG)
def test_a_wrong_value_is_a_usage_error_that_names_its_variable(variable: str, value: str) -> None:
    with pytest.raises(UsageError, match=variable) as failed:
        read({variable: value})
    assert failed.value.exit_code == 2


@pytest.mark.parametrize(("text", "wanted"), [("90s", 90), ("10m", 600), ("1h30m", 5400), ("45", 45), ("1h1m1s", 3661)])
def test_durations_are_parsed_and_formatted(text: str, wanted: float) -> None:
    assert parse_duration(text, "X") == wanted
    assert parse_duration(format_duration(wanted), "X") == wanted


def test_an_empty_variable_counts_as_not_set() -> None:
    assert read({variable.name: "" for variable in VARIABLES}) == read({})


def test_other_images_may_stand_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "images.yaml"
    path.write_text("mysql:8.4: mirror.example/mysql:8\nghcr.io/: mirror.example/ghcr/\n")
    assert read({"MLOPS_IMAGE_OVERRIDES": str(path)}).overrides == {
        "mysql:8.4": "mirror.example/mysql:8",
        "ghcr.io/": "mirror.example/ghcr/",
    }
    path.write_text("- mysql\n")
    with pytest.raises(UsageError, match="old: new"):
        read({"MLOPS_IMAGE_OVERRIDES": str(path)})
