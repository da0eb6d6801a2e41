"""The answered checklists as Markdown and as LaTeX."""

import re
from collections import Counter
from pathlib import Path

from annealed.utils.files import replace_text
from reproduce.checklist.answers import Answer, answers
from reproduce.checklist.record import Evidence, Record

NAME = "neurips_checklist"
MACROS = {"Yes": r"\answerYes{}", "No": r"\answerNo{}", "NA": r"\answerNA{}"}
ESCAPES = {c: f"\\{c}" for c in "#$%&_{}"}
ESCAPES |= {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}


def markdown(lists: list[tuple[dict, list[Answer]]], runs: int) -> str:
    """Both checklists as Markdown, with links relative to reports/."""
    blocks = [
        "# Checklists",
        f"Made by `make checklist` from {runs} committed results and the files named. Yes is said "
        "where every piece of evidence was found, no where one is missing, NA where that is shown, "
        "open where a person has to answer: the words in brackets are to be filled in.",
    ]
    for each, answered in lists:
        count = Counter(one.answer for one in answered)
        counts = ", ".join(f"{number} {name.lower()}" for name, number in sorted(count.items()))
        blocks += [f"## {each['list']}", f"Source: {each['source']}. Answers: {counts}."]
        for number, one in enumerate(answered, 1):
            lines = [f"{number}. **{one.title}.** {one.asks} **{one.answer}.**"]
            deep = " " * len(f"{number}. ")
            lines += [f"{deep}- {_mark(e)}{e.text}{_links(e)}" for e in one.evidence]
            lines += [f"{deep}- To be filled in: {one.fill_in}"] if one.fill_in else []
            blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n"


def _mark(evidence: Evidence) -> str:
    return "" if evidence.holds else "Missing: "


def _links(evidence: Evidence) -> str:
    links = [f"[{path}]({_relative(path)})" for path in evidence.files]
    return f" ({', '.join(links)})" if links else ""


def _relative(path: str) -> str:
    return path.removeprefix("reports/") if path.startswith("reports/") else f"../{path}"


def latex(lists: list[tuple[dict, list[Answer]]], runs: int) -> str:
    """Both checklists as LaTeX, with the macros of the NeurIPS style where it is loaded."""
    lines = [f"% Made by `make checklist` from {runs} committed results; \\input it in a paper."]
    for name in ("Yes", "No", "NA", "TODO"):
        lines.append(rf"\providecommand{{\answer{name}}}[1][]{{[{name}] #1}}")
    for each, answered in lists:
        lines += [rf"\section*{{{escape(each['list'])}}}", f"% {each['source']}"]
        lines.append(r"\begin{enumerate}")
        for one in answered:
            lines += [
                rf"\item {{\bf {escape(one.title)}}}",
                rf"  \item[] Question: {escape(one.asks)}",
            ]
            lines.append(rf"  \item[] Answer: {MACROS.get(one.answer, chr(92) + 'answerTODO{}')}")
            reasons = [_mark(e) + e.text + _paths(e) for e in one.evidence]
            text = ". ".join(filter(None, [*reasons, one.fill_in]))
            lines.append(rf"  \item[] Justification: {escape(text)}")
        lines.append(r"\end{enumerate}")
    return "\n".join(lines) + "\n"


def _paths(evidence: Evidence) -> str:
    return f" ({', '.join(evidence.files)})" if evidence.files else ""


def escape(text: str) -> str:
    """Plain text for LaTeX; what stands between back quotes is typeset as code."""
    parts = re.split(r"`([^`]*)`", text)
    plain = ["".join(ESCAPES.get(c, c) for c in part) for part in parts]
    return "".join(rf"\texttt{{{p}}}" if i % 2 else p for i, p in enumerate(plain))


def write(root: Path, folder: Path) -> list[tuple[dict, list[Answer]]]:
    """Write neurips_checklist.md and .tex on the repository at `root` into `folder`."""
    record = Record(root)
    lists, runs = answers(record), len(record.results)
    folder.mkdir(parents=True, exist_ok=True)
    replace_text(folder / f"{NAME}.md", markdown(lists, runs))
    replace_text(folder / f"{NAME}.tex", latex(lists, runs))
    return lists
