import pytest
from conftest import ROOT

from reproduce.pages import commentary

HOUSE = ROOT / "reproduce" / "experiments"
PAGES = {
    "toys/reading.md": "toy/index.md",
    "invertible/reading.md": "invertible/index.md",
    "nested/reading.md": "nested/index.md",
    "successors/reading.md": "successors.md",
    "noise/reading.md": "noise/index.md",
    "corners/reading.md": "corners/index.md",
    "collapse/reading.md": "collapse/index.md",
    "ablations/reading_digits.md": "ablations_digits.md",
    "estimators/reading.md": "estimators/index.md",
    "ablations/reading_mnist.md": "ablations.md",
    "warmup/reading_digits.md": "warmup_digits.md",
    "warmup/reading_mnist.md": "warmup.md",
}


def test_every_reading_has_its_committed_page():
    written = HOUSE.glob("*/reading*.md")
    assert {str(p.relative_to(HOUSE)) for p in written} == set(PAGES)


@pytest.mark.parametrize("written", PAGES)
def test_a_committed_page_shows_the_committed_reading(written):
    text = (ROOT / "reports" / PAGES[written]).read_text(encoding="utf-8")
    _, _, parts = (HOUSE / written).read_text(encoding="utf-8").partition("\n")
    assert "No conclusion is drawn here" not in text
    assert commentary.BREAK in parts
    for part in parts.split(commentary.BREAK):
        assert part.strip()
        assert part.strip() in text
