"""The reference of a use case covers all that its code can read; its files import each other and no other folder's."""

import os
import shutil
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import user_code
from core.errors import MlopsError
from core.user_code import ROOT, load, reference, resolve


def _write(folder: Path, **files: str) -> Path:
    """Write Python files by their names without `.py`; return `module.py`."""
    for name, text in files.items():
        path = folder / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder / "module.py"


IMPORTS = (
    "from features import NAME",
    "import features\nNAME = features.NAME",
    "import features as f\nNAME = f.NAME",
    "from .features import NAME",
    "from . import features\nNAME = features.NAME",
    "from usecases.mine.features import NAME",
    "from usecases.mine import features\nNAME = features.NAME",
    "import usecases.mine.features\nNAME = usecases.mine.features.NAME",
    "import usecases.mine.features as f\nNAME = f.NAME",
    "def late():\n    from features import NAME\n    return NAME\nNAME = late()",
)


@pytest.mark.parametrize("text", IMPORTS)
@pytest.mark.parametrize(
    "parts",
    [{"features": "NAME = '{0}'"}, {"features/__init__": "from .part import NAME", "features/part": "NAME = '{0}'"}],
)
def test_files_of_a_folder_import_each_other_wherever_it_lies(tmp_path: Path, text: str, parts: dict[str, str]) -> None:
    """Two folders of the same name, with equally named files, in one process."""
    for place in ("first", "second", "first"):
        files = {name: content.format(place) for name, content in parts.items()}
        assert place == load(reference(_write(tmp_path / place / "mine", module=text, **files))).NAME


def test_a_late_import_gets_the_file_of_its_own_folder(tmp_path: Path) -> None:
    text = "def late():\n    from features import NAME\n    import usecases.mine.features as f\n    return NAME, f.NAME"
    modules = {
        place: load(reference(_write(tmp_path / place / "mine", module=text, features=f"NAME = '{place}'")))
        for place in ("first", "second")
    }
    assert {place: module.late() for place, module in modules.items()} == {
        "first": ("first", "first"),
        "second": ("second", "second"),
    }


def test_a_file_that_changed_is_read_again(tmp_path: Path) -> None:
    """With the same size and time stamp, so that Python would use its bytecode."""
    module = _write(tmp_path, module="from features import NAME", features="NAME = 'one'")
    assert load(reference(module)).NAME == "one"
    (tmp_path / "features.py").write_text("NAME = 'two'", encoding="utf-8")
    os.utime(tmp_path / "features.py", (1, 1))
    assert load(reference(module)).NAME == "two"
    (tmp_path / "features.py").write_text("NAME = 'six'", encoding="utf-8")
    os.utime(tmp_path / "features.py", (1, 1))
    assert load(reference(module)).NAME == "six"


def test_a_bare_name_works_in_the_folder_and_nowhere_else(tmp_path: Path) -> None:
    module = _write(tmp_path, module="import colorsys\nNAME = colorsys.NAME", colorsys="NAME = 'mine'")
    assert load(reference(module)).NAME == "mine"
    import colorsys

    assert not hasattr(colorsys, "NAME")
    with pytest.raises(ModuleNotFoundError, match="missing"):
        load(reference(_write(tmp_path, module="from .missing import NAME")))
    with pytest.raises(ModuleNotFoundError, match="No module named 'missing'"):
        load(reference(_write(tmp_path, module="import missing")))
    assert str(tmp_path) not in sys.path


def test_a_file_that_code_reads_is_in_the_reference(tmp_path: Path) -> None:
    text = "from pathlib import Path\nWORDS = Path(__file__).with_name('words.txt').read_text()"
    (tmp_path / "words.txt").write_text("one", encoding="utf-8")
    ref = reference(_write(tmp_path, module=text))
    assert load(ref).WORDS == "one"
    (tmp_path / "words.txt").write_text("two", encoding="utf-8")
    with pytest.raises(MlopsError, match="compile again"):
        load(ref)


def test_project_code_that_a_module_imports_is_in_its_reference(tmp_path: Path) -> None:
    """And no other file of the project."""
    plain = reference(_write(tmp_path / "a", module="import json"))
    uses = reference(_write(tmp_path / "b", module="from core.errors import MlopsError"))
    files = dict(user_code._code(tmp_path / "b", ""))
    assert {"project:core/__init__.py", "project:core/errors.py"} <= set(files)
    assert not any(name.startswith("project:components") for name in files)
    assert plain.partition("@")[2] != uses.partition("@")[2]


READ = (
    "module.py",
    "features.py",
    "inner/__init__.py",
    "inner/deep.py",
    "words.txt",
    "data/airports.csv",
    "schema.pbtxt",
    "__init__.py",
    "LICENSE",
)
NOT_READ = (
    "README.md", "readme", "config.yaml", "sample.csv", "samples.jsonl", ".hidden", ".git/HEAD",
    "__pycache__/features.cpython-311.pyc", "features.py~", "#module.py#", "module.py.orig", "old.pyc",
    "spans/span-3/rows.csv", "inner/README.rst",
)  # fmt: skip
names = st.sampled_from((*READ, *NOT_READ))
changes = st.sampled_from(("change", "remove", "rename", "add"))


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(name=names, change=changes)
def test_the_reference_changes_with_what_code_can_read_and_with_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, name: str, change: str
) -> None:
    folder = tmp_path_factory.mktemp("usecase")
    for file in (*READ, *NOT_READ):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text("# as it was\n", encoding="utf-8")
    without = "spans/span-*/rows.csv"
    before = reference(folder / "module.py", without=without)
    path = folder / name
    if change == "change":
        path.write_text("# as it is now\n", encoding="utf-8")
    elif change == "add":
        path = path.with_name(f".new_{path.name}" if path.name.startswith(".") else f"{path.stem}_new{path.suffix}")
        path.write_text("# new\n", encoding="utf-8")
    elif name != "module.py" and change == "remove":
        path.unlink()
    elif name != "module.py":
        path.rename(path.with_name(path.stem + "2" + path.suffix))
    else:
        return
    if change in ("change", "remove") and name not in READ:
        assert reference(folder / "module.py", without=without) == before
        assert resolve(before).name == "module.py"
    elif name in READ:
        assert reference(folder / "module.py", without=without) != before
        with pytest.raises(MlopsError, match="compile again"):
            resolve(before)


@pytest.mark.parametrize("name", ["config.yaml", "sample.csv", "README.md"])
def test_a_file_that_code_names_counts_whatever_its_name(tmp_path: Path, name: str) -> None:
    module = _write(tmp_path, module=f"from pathlib import Path\nTEXT = Path(__file__).with_name('{name}').read_text()")
    (tmp_path / name).write_text("one", encoding="utf-8")
    before = reference(module)
    (tmp_path / name).write_text("two", encoding="utf-8")
    assert reference(module) != before


def test_a_reference_does_not_depend_on_place_or_time(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    shutil.copytree(ROOT / "usecases" / "flight_delay", first)
    shutil.copytree(first, second, copy_function=shutil.copyfile)
    assert reference(first / "module.py").partition("@")[2] == reference(second / "module.py").partition("@")[2]
    assert (
        reference(ROOT / "usecases" / "flight_delay" / "module.py")
        .removeprefix("usecases/flight_delay/module.py@")
        .startswith("sha256:")
    )


def test_the_schema_has_a_reference_of_its_own(tmp_path: Path) -> None:
    module = _write(tmp_path, module="")
    schema = tmp_path / "schema.pbtxt"
    schema.touch()
    before = reference(schema)
    module.write_text("changed = True", encoding="utf-8")
    assert reference(schema) == before


def test_a_link_to_a_folder_is_refused_with_what_to_do(tmp_path: Path) -> None:
    module = _write(tmp_path / "mine", module="")
    (tmp_path / "mine" / "elsewhere").symlink_to(tmp_path, target_is_directory=True)
    with pytest.raises(MlopsError, match=r"elsewhere: wanted files, got a link to a folder.*copy the files"):
        reference(module)


def test_a_path_may_have_the_separators_of_a_reference(tmp_path: Path) -> None:
    folder = tmp_path / "me@work;without=doubt"
    ref = reference(_write(folder, module="NAME = 1"), without="data/span-*/rows.csv")
    assert load(ref).NAME == 1
    assert resolve(str(folder / "module.py")) == folder / "module.py"


def test_a_file_that_is_not_python_is_not_loaded(tmp_path: Path) -> None:
    (tmp_path / "module.txt").touch()
    with pytest.raises(MlopsError, match="wanted a Python module"):
        load(str(tmp_path / "module.txt"))
