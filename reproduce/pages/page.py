"""A page of reports/: sections of numbers made by code, between an answer and a reading by hand."""

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from annealed.utils.files import replace, replace_text
from reproduce.pages.commentary import digest, reading
from reproduce.pages.pictures import write_png

SMOKE_NOTICE = "SMOKE RUN, far from converged and no evidence. "


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it; names of figures and frames are those of their files."""

    title: str  # empty for a section without a heading
    blocks: list[str]  # Markdown, in order, tables among them
    tables: list[str] = field(default_factory=list)  # those by which a reading is held to numbers
    results: list[dict] = field(default_factory=list)
    figures: dict[str, Figure] = field(default_factory=dict)
    frames: dict[str, pd.DataFrame] = field(default_factory=dict)


def what_was_run(setting: Path) -> Section:
    """The section whose text is the file `setting`, written by hand."""
    return Section("What was run", [setting.read_text(encoding="utf-8").strip()])


def digest_of(sections: list[Section]) -> str:
    """The digest of the tables of `sections`, which a reading names in its first line."""
    return digest([table for section in sections for table in section.tables])


def seeds_source(name: str, preset: str, results: list[dict]) -> str:
    """The beginning of a source line: the command, the seeds and the commits of `results`."""
    seeds = sorted({r["seed"] for r in results})
    return (
        f"Source: `make reproduce-{name} PRESET={preset} SEEDS={len(seeds)}`, seeds {seeds[0]} to "
        f"{seeds[-1]}, commit {commits(results)}"
    )


def commits(results: list[dict]) -> str:
    """The commits that made `results`."""
    return ", ".join(sorted({r["provenance"]["commit"] for r in results}))


def render(
    title: str, preset: str, opening: list[str], sections: list[Section], discussion: str = ""
) -> str:
    """The page as Markdown; a page of preset `quick` opens with the notice of a smoke run."""
    notice = SMOKE_NOTICE if preset == "quick" else ""
    blocks = [f"# {title}", notice + opening[0], *opening[1:]]
    for section in sections:
        blocks += [f"## {section.title}"] if section.title else []
        blocks += section.blocks
    blocks += ["## Reading", discussion] if discussion else []
    return "\n\n".join(blocks) + "\n"


def write(
    path: Path,
    title: str,
    preset: str,
    source: str,
    sections: list[Section],
    note: Path,
    folder: Path | None = None,
) -> str:
    """Write the page to `path`, figures and CSV to `folder`; returns the digest of its numbers.

    `folder` is by default that of `path`. The reading in the file `note` is shown where it was
    written for these numbers: its answer above the `source` line, its discussion at the end.
    """
    save_files(sections, folder or path.parent)
    numbers = digest_of(sections)
    answer, discussion = reading(numbers, note)
    replace_text(path, render(title, preset, [answer, source], sections, discussion))
    return numbers


def save_files(sections: list[Section], folder: Path) -> None:
    """Write figures and data frames of `sections` into `folder`, and close the figures."""
    folder.mkdir(parents=True, exist_ok=True)
    for section in sections:
        save_frames(section.frames, folder)
        for name, figure in section.figures.items():
            save(figure, folder, name)
            plt.close(figure)


def save(figure: Figure, place: Path, name: str) -> None:
    """Write `figure` as <name>.png and <name>.pdf into `place`; old files stay until then."""
    options = {"format": "pdf", "metadata": {"CreationDate": None}, "bbox_inches": "tight"}
    replace(place / f"{name}.png", lambda f: write_png(figure, f, bbox_inches="tight"))
    replace(place / f"{name}.pdf", lambda f: figure.savefig(f, **options))


def save_frames(frames: dict[str, pd.DataFrame], place: Path) -> None:
    """Write each data frame as <name>.csv into `place`, six significant digits."""
    for name, frame in frames.items():
        replace_text(place / f"{name}.csv", frame.to_csv(index=False, float_format="%.6g"))
