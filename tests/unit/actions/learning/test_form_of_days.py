"""Every page of docs/days has the same form, in both languages, and leads only to what exists."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from mlops.actions.learning.page import CHINESE, DAYS, ENGLISH, LANGUAGES, Page, find_pages

HEADINGS = {
    ENGLISH: (
        "What it is for",
        "Run it",
        "What to look at",
        "Break it",
        "Where the code is",
        "References",
    ),
    CHINESE: ("為什麼需要", "執行", "看什麼", "弄壞它", "程式碼在哪裡", "參考資料"),
}
PAGES = [page for language in LANGUAGES for page in find_pages(language)]
LARGEST_PICTURE = 150_000


def _id(page: Page) -> str:
    return page.path.name


def _texts(page: Page) -> str:
    return "\n".join(part for part in page.parts if isinstance(part, str))


def _section(page: Page, number: int) -> str:
    return re.split(r"(?m)^## .+$", _texts(page))[number + 1]


@pytest.mark.parametrize("page", PAGES, ids=_id)
def test_a_page_has_the_headings_in_their_order(page: Page) -> None:
    assert page.headings == HEADINGS[page.language]


@pytest.mark.parametrize("page", PAGES, ids=_id)
def test_a_page_shows_the_idea_before_it_runs_anything(page: Page) -> None:
    first = _section(page, 0)
    assert re.search(r"!\[[^\]]+\]\(", first) or re.search(r"(?m)^\|[ :-]+\|", first), "wanted a picture or a table"


@pytest.mark.parametrize("page", PAGES, ids=_id)
def test_a_page_runs_compares_and_breaks_something(page: Page) -> None:
    assert page.steps, "wanted commands"
    assert any(step.shown for step in page.steps), "wanted what they print"
    assert page.steps[-1].block.must_fail, "wanted something to break, last"
    assert page.steps[-1].shown, "wanted what stops it"


@pytest.mark.parametrize("page", PAGES, ids=_id)
def test_links_and_pictures_exist(page: Page) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)(?:#[^)]*)?\)", _texts(page))
    assert not [link for link in links if not (page.path.parent / link).exists()]
    assert re.findall(r"\]\((?!https?:|#)([^)#\s]+)", _section(page, 4)), "wanted links to the code"
    assert re.findall(r"\]\(https://[^)\s]+\)", _section(page, 5)), "wanted public references"
    for link in (link for link in links if link.endswith(".svg")):
        picture = page.path.parent / link
        assert picture.stat().st_size <= LARGEST_PICTURE, link
        assert ElementTree.parse(picture).getroot().tag.endswith("svg"), link


def _same_in_both(page: Page) -> object:
    blocks = [part for part in page.parts if not isinstance(part, str)]
    return (
        [(block.language, block.words, block.code) for block in blocks],
        re.findall(r"!\[[^\]]*\]\(([^)]+)\)", _texts(page)),
        sorted(re.findall(r"\]\((https?://[^)\s]+)\)", _section(page, 5))),
    )


def test_both_languages_have_the_same_days_commands_outputs_and_pictures() -> None:
    english, chinese = ({page.number: page for page in find_pages(language)} for language in LANGUAGES)
    assert {page.number: page.slug for page in english.values()} == {
        page.number: page.slug for page in chinese.values()
    }
    assert not [day for day in english if _same_in_both(english[day]) != _same_in_both(chinese[day])]


@pytest.mark.parametrize(("language", "name"), [(ENGLISH, "README.md"), (CHINESE, "README.zh-TW.md")])
def test_the_index_has_every_day_by_its_title(language: str, name: str) -> None:
    text = (DAYS / name).read_text(encoding="utf-8")
    indexed = re.findall(r"(?m)^\| (\d\d) \| \[([^\]]+)\]\(([^)]+)\) \|", text)
    assert indexed == [(f"{page.number:02}", page.title, page.path.name) for page in find_pages(language)]


def test_no_picture_is_left_over() -> None:
    linked = {link for page in PAGES for link in re.findall(r"\]\(pictures/([^)]+)\)", _texts(page))}
    assert {path.name for path in (DAYS / "pictures").glob("*")} <= linked


def test_pages_are_numbered_once() -> None:
    names = [path.name for path in Path(DAYS).glob("[0-9][0-9]-*.md")]
    assert len({name.removesuffix(".md").removesuffix(".zh-TW") for name in names}) == len(names) / 2
