"""A stage is one folder and one line: dropped into a copy of the project, it compiles, runs, is shown and is held."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from core import build_context
from core.user_code import ROOT

INIT = '"""Counts the rows of every split."""\n'
COMPONENT = '''from kfp import dsl

from core.images import BASE, image


@dsl.component(base_image=BASE, target_image=image("data"))
def count_rows(config: dict, examples: dsl.Input[dsl.Dataset], pictures: dsl.Output[dsl.HTML]):
    """Count rows.

    Args:
        config: The `count_rows` section of the use case's configuration.
        examples: What is counted.
        pictures: The count.
    """
    from components.count_rows.config import Config
    from components.count_rows.logic import count

    count(Config.model_validate(config), examples.path, pictures.path)
'''
CONFIG = '''"""The `count_rows` section."""

from typing import Annotated

from core.problem import FromProblem
from core.settings import Settings


class Config(Settings):
    """What is counted, and how it is called."""

    label: Annotated[str, FromProblem("label")]
    word: str
    """What a row is called."""
'''
LOGIC = '''"""Count the rows of examples."""

from pathlib import Path

from artifacts.examples.manifest import ExamplesManifest
from components.count_rows.config import Config


def count(config: Config, examples: str, pictures: str) -> None:
    """Write the number of rows of the training split, with the label that they have."""
    rows = ExamplesManifest.read(examples).records("train")
    Path(pictures).write_text(f"<p>{config.word} with {config.label}: {rows}</p>", encoding="utf-8")
'''
LINE = '        segments.run_if_configured(usecase, "count_rows", examples=validated.examples)\n'


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with one more folder below components/, and one more line in a pipeline cut short."""
    root = tmp_path_factory.mktemp("copy") / "project"
    for name in build_context.files():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, root / name)
    shutil.copytree(ROOT / "benchmarks", root / "benchmarks", ignore=shutil.ignore_patterns("__pycache__"))
    folder = root / "components" / "count_rows"
    folder.mkdir()
    for name, text in {"__init__": INIT, "component": COMPONENT, "config": CONFIG, "logic": LOGIC}.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    level0 = root / "pipelines" / "level0.py"
    before, data, _ = level0.read_text(encoding="utf-8").partition("        candidate = ")
    assert data, "the pipeline is cut after its data, so that nothing is trained here"
    level0.write_text(f"{before}{LINE}\n    return experiment\n", encoding="utf-8")
    _write_usecase(root)
    return root


def _write_usecase(root: Path, **changes: Any) -> None:
    """Make of flight_delay one that reads its sample and has only the sections that it needs."""
    folder = root / "usecases" / "flight_delay"
    content = yaml.safe_load((ROOT / "usecases" / "flight_delay" / "config.yaml").read_text(encoding="utf-8"))
    shutil.copyfile(folder / "sample.csv", folder / "span-1.csv")
    content |= {
        "source": {"pattern": str(folder / "span-{SPAN}.csv"), "span": 1},
        "ingest_examples": {"format": "csv", "window": 1, "missing": ["", "NA"], "split": {"by": "hash"}},
        "compute_statistics": None,
        "validate_data": None,
        "count_rows": {"word": "flights"},
        **changes,
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")


def _mlops(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = "from mlops.cli.main import main; main()"
    path, home = f"{Path(sys.executable).parent}:/usr/bin:/bin", str(root.parent / "store")
    environment = {"PATH": path, "MLOPS_HOME": home, "MLOPS_WARM": "off"}
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def _tasks(root: Path) -> dict[str, bool]:
    """Run the pipeline; return for each task whether it came from the cache."""
    done = _mlops(root, "run", "flight_delay", "--pipeline", "level0", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    return {task["name"]: task["cached"] for task in json.loads(done.stdout)["tasks"]}


def _contracts(root: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).parent / "lint-imports"
    return subprocess.run([program, "--no-cache"], cwd=root, capture_output=True, text=True, check=False)


def test_a_stage_is_one_folder_and_one_line(copy: Path) -> None:
    logic = copy / "components" / "count_rows" / "logic.py"
    assert _tasks(copy) == {"scope-use-case": False, "ingest-examples": False, "count-rows": False}
    report = max((copy.parent / "store" / "runs").glob("*/report.html"), key=lambda path: path.stat().st_mtime_ns)
    text = report.read_text(encoding="utf-8")
    assert "flights with late: " in text
    assert "count_rows" in text or "count-rows" in text

    (copy / "pipelines" / "level1.py").open("a", encoding="utf-8").write("# no stage here can import this\n")
    assert _tasks(copy) == {"scope-use-case": True, "ingest-examples": True, "count-rows": True}
    logic.write_text(logic.read_text(encoding="utf-8") + "# changed\n", encoding="utf-8")
    assert _tasks(copy) == {"scope-use-case": True, "ingest-examples": True, "count-rows": False}


def test_a_stage_of_its_own_is_configured_like_any_other(copy: Path) -> None:
    _write_usecase(copy, count_rows={"wrd": "flights"}, steps={"count_row": {}})
    done = _mlops(copy, "compile", "flight_delay", "--pipeline", "level0")
    assert done.returncode == 2
    assert "count_rows.wrd is not a key here; did you mean 'word'?" in done.stderr
    assert "steps.count_row is not a stage; did you mean 'count_rows'?" in done.stderr
    _write_usecase(copy, count_rows=None)
    target = copy.parent / "without.yaml"
    done = _mlops(copy, "compile", "flight_delay", "--pipeline", "level0", "-o", str(target))
    assert done.returncode == 0, done.stderr
    assert "count_rows" not in target.read_text(encoding="utf-8")
    _write_usecase(copy)


def test_a_stage_is_held_by_the_contracts_that_hold_all(copy: Path) -> None:
    assert _contracts(copy).returncode == 0, _contracts(copy).stdout
    logic = copy / "components" / "count_rows" / "logic.py"
    before = logic.read_text(encoding="utf-8")
    logic.write_text(f"{before}\nfrom components.push_model import config as other\n", encoding="utf-8")
    try:
        done = _contracts(copy)
    finally:
        logic.write_text(before, encoding="utf-8")
    assert done.returncode == 1
    assert "Stages do not know each other BROKEN" in done.stdout
