import pytest
from conftest import ROOT

from reproduce import corners, invertible, noise, reading, toys, warmup

PAGES = {
    "toy/index.md": toys,
    "invertible/index.md": invertible,
    "noise/index.md": noise,
    "corners/index.md": corners,
    "warmup_digits.md": warmup,
}


@pytest.mark.parametrize("name", PAGES)
def test_a_committed_page_shows_the_committed_reading(name):
    text = (ROOT / "reports" / name).read_text()
    written = ROOT / "reproduce" / PAGES[name].__name__.rpartition(".")[2] / "reading.md"
    _, _, parts = written.read_text().partition("\n")
    assert "No conclusion is drawn here" not in text
    assert reading.BREAK in parts
    for part in parts.split(reading.BREAK):
        assert part.strip()
        assert part.strip() in text
