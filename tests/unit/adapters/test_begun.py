"""What was begun for a task is taken by that task alone, once."""

import os
from pathlib import Path

from adapters.begun import Begun, identity


def test_work_is_for_what_it_was_begun_with_and_is_taken_once() -> None:
    begun = Begun[str]()
    assert begun.take("a") is None
    begun.keep("a", "work")
    assert begun.take("a") == "work"
    assert begun.take("a") is None
    begun.keep("a", "work")
    assert begun.take("b") is None
    assert begun.take("a") is None, "the process is another task's"


def test_a_file_is_the_same_by_another_name_and_another_one_with_the_same_content_is_not(tmp_path: Path) -> None:
    one, link, other = (tmp_path / name for name in ("one", "link", "other"))
    one.write_text("content")
    os.link(one, link)
    other.write_text("content")
    assert identity(one) == identity(link) != identity(other)
    assert identity("gs://bucket/one") == identity("gs://bucket/one") != identity("gs://bucket/other")
