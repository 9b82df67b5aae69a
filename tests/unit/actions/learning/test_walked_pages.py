"""A page's commands run one after another, and the first that ends or prints otherwise is named."""

import os
from pathlib import Path

import pytest

from core.errors import UsageError
from core.store import Store
from mlops.actions.learning.page import CHINESE, ENGLISH, Page, find_page, find_pages, read_page
from mlops.actions.learning.progress import Walked, read_progress, remember, walked
from mlops.actions.learning.walk import Ended, Surroundings, walk

PAGE = """# Day 07: A test

## Run it

```bash
echo $MLOPS_HOME > $TMPDIR/home
cat $TMPDIR/home   # a comment
```

```text
…/home
```

## Break it

```bash fails
echo before
false \\
  || exit 3
```

```text
before
```
"""


def _page(folder: Path, text: str = PAGE, name: str = "07-test.md") -> Page:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return read_page(path)


def _walked(tmp_path: Path, text: str = PAGE, **changes: object) -> list[Ended]:
    surroundings = Surroundings(tmp_path / "home", **changes)  # type: ignore[arg-type]
    return list(walk(_page(tmp_path, text), surroundings, lambda _: None))


def test_a_page_is_read_as_steps_with_what_they_show(tmp_path: Path) -> None:
    page = _page(tmp_path)
    assert (page.number, page.slug, page.language, page.title) == (7, "test", ENGLISH, "A test")
    assert page.headings == ("Run it", "Break it")
    assert [(step.block.must_fail, len(step.shown)) for step in page.steps] == [(False, 1), (True, 1)]
    chinese = _page(tmp_path, "# 第 07 天:測試\n", "07-test.zh-TW.md")
    assert (chinese.language, chinese.title) == (CHINESE, "測試")
    assert find_page(7, CHINESE, tmp_path) == chinese
    with pytest.raises(UsageError, match="no page of day 8"):
        find_page(8, ENGLISH, tmp_path)
    with pytest.raises(UsageError, match="in a checkout"):
        find_pages(folder=tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("7-test.md", PAGE, "wanted a name"),
        ("08-test.md", PAGE, "wanted a title of day 08"),
        ("07-test.md", "", "wanted a title of day 07"),
        ("07-test.md", "# Day 07: x\n```bash\nls\n", ":2: this block has no closing"),
        ("07-test.md", "# Day 07: x\n```bash nightli\nls\n```\n", ":2: 'nightli' after ```bash"),
        ("07-test.md", "# Day 07: x\n```text tolerance=wide\nls\n```\n", ":2: 'tolerance=wide'"),
    ],
)
def test_a_malformed_page_is_named_with_its_line(tmp_path: Path, name: str, text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        _page(tmp_path, text, name)


def test_commands_run_in_the_store_and_end_as_they_should(tmp_path: Path) -> None:
    assert [ended.problems for ended in _walked(tmp_path)] == [(), ()]


@pytest.mark.parametrize(
    ("found", "replaced", "says"),
    [
        ("…/home", "…/elsewhere", "'…/elsewhere' is not in the output"),
        ("```bash fails", "```bash", "07-test.md:16: the last command ended with 3"),
        ("|| exit 3", "|| true", "the last command has to fail"),
        ("echo before", "exit 4", "a command before the last one ended with 4"),
        ("before\n```", "after\n```", "'after' is not in the output"),
    ],
)
def test_what_ends_or_prints_otherwise_is_named(tmp_path: Path, found: str, replaced: str, says: str) -> None:
    text = "".join(PAGE.rpartition(found)[0]) + replaced + PAGE.rpartition(found)[2]
    problems = [problem for ended in _walked(tmp_path, text) for problem in ended.problems]
    assert len(problems) == 1
    assert says in problems[0]


def test_a_walk_stops_at_the_first_problem(tmp_path: Path) -> None:
    ended = _walked(tmp_path, PAGE.replace("echo $MLOPS_HOME", "exit 1; echo"))
    assert [bool(one.problems) for one in ended] == [True]


def test_long_blocks_are_skipped_where_that_is_asked_for(tmp_path: Path) -> None:
    text = "# Day 07: x\n```bash\necho short\n```\n```text\nshort\n```\n```bash nightly\nexit 1\n```\n"
    ended = _walked(tmp_path, text, skip_long=True)
    assert [(one.problems, one.skipped) for one in ended] == [((), False), ((), True)]
    assert walked(ended).result == "in part"


def test_what_a_block_leaves_running_is_ended(tmp_path: Path) -> None:
    text = "# Day 07: x\n```bash\nsleep 1000 &\necho $!\n```\n"
    printed: list[str] = []
    (ended,) = walk(_page(tmp_path, text), Surroundings(tmp_path / "home"), printed.append)
    assert ended.problems == ()
    process = Path("/proc") / printed[0]
    assert not process.exists() or "State:\tZ" in (process / "status").read_text(encoding="utf-8")
    assert os.environ.get("MLOPS_HOME") != str(tmp_path / "home")


def test_the_last_walk_of_a_day_is_remembered(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert read_progress(store).days == {}
    for result in ("differs", "as shown"):
        remember(store, 7, Walked(time="2026-11-28T22:00:00Z", result=result, seconds=1.0))  # type: ignore[arg-type]
    assert {day: one.result for day, one in read_progress(store).days.items()} == {7: "as shown"}
