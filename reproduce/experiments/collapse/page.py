"""reports/collapse/index.md: sections whose numbers are made by code, around a written reading.

The reading is shown only under the numbers that it was written for.
"""

from pathlib import Path

from annealed.utils.files import replace_text
from reproduce.experiments.collapse.section import Section
from reproduce.pages import common
from reproduce.pages.commentary import digest, reading

READING = Path(__file__).parent / "reading.md"


def write(
    sections: list[Section], seeds: int | None, folder: Path, preset: str, note: Path = READING
) -> str:
    """Write index.md, figures and CSV of `sections` into `folder`; returns the numbers' digest.

    `seeds` is the number that was asked for, None where each section has its own.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for one in sections:
        common.save_frames(one.frames, folder)
        for name, figure in one.figures.items():
            common.save(figure, folder, name)
    numbers = digest([table for one in sections for table in one.made])
    answer, discussion = reading(numbers, note)
    smoke = "SMOKE RUN, far from converged and no evidence. " if preset == "quick" else ""
    results = [result for one in sections for result in one.results]
    files = ", ".join(f"`{name}.csv`" for one in sections for name in one.frames)
    asked = f" SEEDS={seeds}" if seeds else ""
    blocks = [
        "# Posterior collapse",
        smoke + answer,
        f"Source: `make reproduce-collapse PRESET={preset}{asked}`, "
        f"commit {common.commits(results)}. ± is half a 95% t-interval over seeds. "
        f"All numbers: {files}.",
    ]
    for one in sections:
        blocks += [f"## {one.title}", *one.blocks]
    blocks += ["## Reading", discussion] if discussion else []
    replace_text(folder / "index.md", "\n\n".join(blocks) + "\n")
    return numbers
