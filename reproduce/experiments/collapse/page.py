"""reports/collapse/index.md: collapsed latents, learned and exact."""

from pathlib import Path

from reproduce.pages import page
from reproduce.pages.page import Section

READING = Path(__file__).parent / "reading.md"


def write(
    sections: list[Section], seeds: int | None, folder: Path, preset: str, note: Path = READING
) -> str:
    """Write index.md, figures and CSV of `sections` into `folder`; returns the numbers' digest.

    `seeds` is the number that was asked for, None where each section has its own.
    """
    results = [result for section in sections for result in section.results]
    files = ", ".join(f"`{name}.csv`" for section in sections for name in section.frames)
    asked = f" SEEDS={seeds}" if seeds else ""
    source = (
        f"Source: `make reproduce-collapse PRESET={preset}{asked}`, "
        f"commit {page.commits(results)}. ± is half a 95% t-interval over seeds. "
        f"All numbers: {files}."
    )
    return page.write(folder / "index.md", "Posterior collapse", preset, source, sections, note)
