"""The reference pages say what the code says."""

import pytest

from tools.reference import FOLDER, pages

PAGES = pages()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_make_docs_would_write(name):
    assert (FOLDER / name).read_text() == PAGES[name], "run: make docs"


def test_no_page_is_left_over():
    assert {path.name for path in FOLDER.iterdir()} == set(PAGES)
