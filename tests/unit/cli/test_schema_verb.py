"""`mlops schema` shows what was curated, and only proposes what data would change."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from core.user_code import ROOT
from mlops.cli.main import cli

USECASE = ROOT / "usecases" / "flight_delay"


def call(*arguments: str, home: Path) -> str:
    result = CliRunner().invoke(cli, ["schema", *arguments], env={"MLOPS_HOME": str(home)}, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_show_lists_every_feature_with_its_bounds(tmp_path: Path) -> None:
    shown = json.loads(call("show", "flight_delay", "--json", home=tmp_path))
    features = {feature["name"]: feature for feature in shown["features"]}
    assert features["late"]["environments_without"] == ["SERVING"]
    assert features["carrier"]["values"].startswith("16 values: 9E, AA")
    assert all(feature["drift_at_most"] and feature["present_in"] for feature in features.values())
    assert "wind_gust" in call("show", "flight_delay", home=tmp_path)


def test_show_says_that_a_feature_may_be_absent(tmp_path: Path, usecase: Path) -> None:
    schema = usecase / "schema.pbtxt"
    schema.write_text(schema.read_text() + 'feature { name: "gate" type: INT presence { min_fraction: 0 } }\n')
    line = next(line for line in call("show", str(usecase), home=tmp_path).splitlines() if line.startswith("gate"))
    assert "may be absent" in line
    assert "%" not in line


@pytest.fixture
def usecase(tmp_path: Path) -> Path:
    """flight_delay on its own sample, as CSV, with a column and a carrier that the schema does not know."""
    folder = tmp_path / "flight_delay"
    shutil.copytree(USECASE, folder, ignore=shutil.ignore_patterns("__pycache__", "data.py", "flights.py"))
    text = (folder / "config.yaml").read_text()
    source = tmp_path / "sample-{SPAN}.csv"
    (folder / "config.yaml").write_text(
        text.replace("pattern: span-{SPAN}/flights.parquet", f'pattern: "{source}"').replace(
            "format: parquet", "format: csv"
        )
    )
    header, *rows = (USECASE / "sample.csv").read_text().splitlines()
    lines = [f"{header},gate", *(f"{row},{number % 40}" for number, row in enumerate(rows))]
    (tmp_path / "sample-1.csv").write_text("\n".join(lines).replace(",UA,", ",ZZ,") + "\n")
    return folder


def test_propose_prints_a_diff_and_changes_nothing(tmp_path: Path, usecase: Path) -> None:
    before = (usecase / "schema.pbtxt").read_bytes()
    proposal = json.loads(call("propose", str(usecase), "--json", home=tmp_path / "home"))
    added = {line[1:].strip() for line in proposal["diff"].splitlines() if line.startswith("+")}
    assert proposal["span"] == 1
    assert {'name: "gate"', "type: INT", 'value: "ZZ"'} <= added
    assert (usecase / "schema.pbtxt").read_bytes() == before


def test_propose_without_a_schema_prints_or_writes_the_whole_file(tmp_path: Path, usecase: Path) -> None:
    (usecase / "schema.pbtxt").unlink()
    printed = call("propose", str(usecase), home=tmp_path / "home")
    for name, kind in (("late", "INT"), ("carrier", "BYTES"), ("temp", "FLOAT"), ("hour", "INT")):
        block = next(block for block in printed.split("feature {") if f'name: "{name}"' in block)
        assert f"type: {kind}" in block
    assert not (usecase / "schema.pbtxt").exists()
    call("propose", str(usecase), "--write", "--leave-out", "gate", home=tmp_path / "home")
    assert (usecase / "schema.pbtxt").read_text() != printed
    assert '"gate"' not in (usecase / "schema.pbtxt").read_text()
