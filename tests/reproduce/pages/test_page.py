"""The kit of every page: order of its parts, when the reading is shown, which files are written."""

import pandas as pd
from matplotlib.figure import Figure

from reproduce.pages import page
from reproduce.pages.page import Section

TABLE = "| a |\n| --- |\n| 1 |"


def sections() -> list[Section]:
    return [
        Section("", ["First."]),
        Section(
            "Numbers",
            [TABLE, "What they are."],
            [TABLE],
            figures={"bars": Figure()},
            frames={"seeds": pd.DataFrame({"x": [1 / 3]})},
        ),
    ]


def test_a_reading_is_shown_around_the_numbers_it_was_written_for(tmp_path):
    note, path = tmp_path / "reading.md", tmp_path / "page" / "index.md"
    arguments = path, "Title", "full", "Source: here.", sections(), note
    numbers = page.write(*arguments)
    assert "No conclusion is drawn here" in path.read_text(encoding="utf-8")
    note.write_text(f"<!-- {numbers} -->\nYes.\n<!-- numbers -->\nBecause.\n", encoding="utf-8")
    assert page.write(*arguments) == numbers
    blocks = ["# Title", "Yes.", "Source: here.", "First.", "## Numbers", TABLE]
    blocks += ["What they are.", "## Reading", "Because."]
    assert path.read_text(encoding="utf-8") == "\n\n".join(blocks) + "\n"


def test_only_the_tables_that_a_reading_is_held_to_change_the_digest():
    changed = sections()
    changed[0].blocks.append("More.")
    assert page.digest_of(changed) == page.digest_of(sections())
    changed[1].tables.append(TABLE)
    assert page.digest_of(changed) != page.digest_of(sections())


def test_a_smoke_run_opens_with_a_notice():
    text = page.render("T", "quick", ["Answer.", "Source."], [])
    assert text == f"# T\n\n{page.SMOKE_NOTICE}Answer.\n\nSource.\n"
    assert page.SMOKE_NOTICE not in page.render("T", "full", ["Answer."], [])


def test_figures_and_frames_go_where_they_are_asked_to(tmp_path):
    folder = tmp_path / "files"
    page.write(tmp_path / "t.md", "T", "full", "S.", sections(), tmp_path / "none", folder)
    assert {p.name for p in folder.iterdir()} == {"bars.png", "bars.pdf", "seeds.csv"}
    assert (folder / "seeds.csv").read_text(encoding="utf-8") == "x\n0.333333\n"
