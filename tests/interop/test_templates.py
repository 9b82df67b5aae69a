"""The module files of TFX's taxi and penguin templates, and their data, go from data to production as they are."""

import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from core.backends.registry import open_registry

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
pytestmark = pytest.mark.timeout(3600)  # whole runs


def _mlops(home: Path, *words: str) -> Any:
    """Run a command in processes of its own: TFX's templates need Keras 2, other tests use Keras 3."""
    done = subprocess.run(
        [str(Path(sys.executable).parent / "mlops"), *words, "--json"],
        cwd=ROOT,
        env={**os.environ, "MLOPS_HOME": str(home), "MLOPS_WARM": "off"},
        capture_output=True,
        text=True,
        timeout=1500,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return json.loads(done.stdout)


def _rows(name: str) -> str:
    """Write a few requests as JSON lines, without the label."""
    trip = {"trip_start_hour": 9, "fare": 20.0, "trip_miles": 3.0, "pickup_latitude": 41.9, "payment_type": "Cash"}
    trip |= {"trip_start_month": 5, "trip_start_day": 3, "trip_start_timestamp": 1400269500}
    bird = {"culmen_length_mm": 0.3, "culmen_depth_mm": 0.7, "flipper_length_mm": 0.2, "body_mass_g": 0.3}
    return json.dumps(trip if name == "taxi" else bird) + "\n"


@pytest.mark.nightly("two trainings by TFX's modules, each with a server")
@pytest.mark.parametrize("name", ["taxi", "penguin"])
def test_a_template_is_trained_gated_pushed_and_asked(name: str, tmp_path: Path) -> None:
    home = tmp_path / "store"
    ran = _mlops(home, "run", str(HERE / name))
    assert ran["pushed_model"]["version"] == 1
    verdicts = {decision["gate"]: decision["verdict"] for decision in ran["decisions"]}
    assert set(verdicts.values()) == {"pass"}
    assert {"validate_data", "evaluate_model", "validate_infra", "push_model"} <= set(verdicts)
    version = open_registry(str(home / "models")).champion(name)
    assert version is not None
    assert version.digest == ran["pushed_model"]["digest"]
    (tmp_path / "rows.jsonl").write_text(_rows(name))
    predicted = _mlops(home, "predict", str(HERE / name), str(tmp_path / "rows.jsonl"))
    assert predicted["version"] == 1
    assert len(predicted["predictions"]) == 1


@pytest.mark.nightly("copies TFX's template and trains it")
def test_the_road_of_the_page(tmp_path: Path) -> None:
    """The lines of docs/tfx.md, run as they are: from TFX's own copy of its template to a version in production."""
    page = (ROOT / "docs" / "tfx.md").read_text(encoding="utf-8")
    (road,) = re.findall(r"## The road.*?```bash\n(.*?)```", page, re.DOTALL)
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    environment = {name: value for name, value in os.environ.items() if name != "MLOPS_HOME"}
    environment |= {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "MLOPS_WARM": "off"}
    done = subprocess.run(
        ["bash", "-euc", road], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=1500, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "Version 1 of taxi is in production." in done.stdout
    assert (tmp_path / ".mlops" / "models" / "taxi" / "1" / "saved_model.pb").is_file()


@pytest.mark.parametrize("name", ["taxi", "penguin"])
def test_the_module_file_is_tfx_s_own(name: str) -> None:
    """Nothing of a template is copied: both functions are imported from the installed package."""
    spec = find_spec("tfx")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    templates = Path(spec.submodule_search_locations[0]) / "experimental" / "templates" / name
    assert (templates / "models" / "preprocessing.py").is_file()
    text = (HERE / name / "module.py").read_text()
    assert text.count("import") == 2
    assert text.count(f"from tfx.experimental.templates.{name}.models") == 2
