"""`mlops learn` lists the days, shows one, and runs one with its explanation."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mlops.actions.learning import page as pages
from mlops.cli.main import cli

PAGE = """# Day 07: A test

## Run it

```bash
echo the answer is 42
```

## What to look at

```text
the answer is 42
```

```bash nightly
echo slowly
```
"""


@pytest.fixture(autouse=True)
def days(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "days"
    folder.mkdir()
    (folder / "07-test.md").write_text(PAGE, encoding="utf-8")
    (folder / "07-test.zh-TW.md").write_text(PAGE.replace("Day 07: A test", "第 07 天:測試"), encoding="utf-8")
    monkeypatch.setattr(pages, "DAYS", folder)
    return folder


def _learn(home: Path, *arguments: str) -> Result:
    environment = {"MLOPS_HOME": str(home), "LANG": "C.UTF-8"}
    return CliRunner().invoke(cli, ["learn", *arguments], env=environment, catch_exceptions=False)


def test_a_day_is_run_and_remembered(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert json.loads(_learn(home, "--json").stdout) == [{"day": 7, "title": "A test", "last": None}]
    quick = _learn(home, "7", "--quick")
    assert quick.exit_code == 0
    assert "    the answer is 42" in quick.stdout
    assert "skipped" in quick.stdout
    assert "Day 7: in part" in quick.stdout
    whole = json.loads(_learn(home, "7", "--json").stdout)
    assert (whole["result"], whole["problems"]) == ("as shown", [])
    assert "as shown" in _learn(home).stdout
    assert (home / "learn").is_dir(), "the days have a store of their own"


def test_what_differs_is_shown_and_ends_with_1(tmp_path: Path, days: Path) -> None:
    (days / "07-test.md").write_text(PAGE.replace("is 42\n```\n\n```bash", "is 41\n```\n\n```bash"), encoding="utf-8")
    assert _learn(tmp_path, "7").exit_code == 0, "a difference of 5 percent is none"
    (days / "07-test.md").write_text(PAGE.replace("is 42\n```\n\n```bash", "is 7\n```\n\n```bash"), encoding="utf-8")
    ended = _learn(tmp_path, "7")
    assert ended.exit_code == 1
    assert "the output has 42" in ended.stdout
    assert "Day 7: differs" in ended.stdout
    assert "slowly" not in ended.stdout


def test_a_page_is_read_in_the_language_of_the_terminal(tmp_path: Path) -> None:
    assert "測試" in _learn(tmp_path, "7", "--read", "--language", "zh_TW.UTF-8").stdout
    assert "Day 07: A test" in _learn(tmp_path, "7", "--read").stdout
    shown = json.loads(_learn(tmp_path, "7", "--read", "--json").stdout)
    assert shown["commands"] == ["echo the answer is 42", "echo slowly"]
    assert not (tmp_path / "learn").exists()
