"""The pages say what the code says: tables are the code's own lists, links lead somewhere."""

import re

import pytest

from compose.docs import BLOCK, ROOT, TABLES, pages, renewed

LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)")


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_tables_are_the_codes_own(page):
    assert page.read_text() == renewed(page.read_text()), "run `make docs`"


def test_every_table_stands_somewhere():
    assert {name for page in pages() for _, name, _ in BLOCK.findall(page.read_text())} == set(TABLES)


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    missing = [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()]
    assert missing == []


def test_a_stale_table_is_seen():
    stale = "<!-- table: answers -->\nold\n<!-- end of table -->"
    assert renewed(stale) != stale


def test_the_readme_names_the_two_commands():
    readme = (ROOT / "README.md").read_text()
    assert "make demo " in readme
    assert "make test " in readme
