"""From questions and evidence to answers: yes, no, NA or open."""

from dataclasses import dataclass
from pathlib import Path

import yaml

from reproduce.checklist import from_files, from_results
from reproduce.checklist.record import Evidence, Record

QUESTIONS = Path(__file__).parent / "questions.yaml"
YES, NO, NA, OPEN = "Yes", "No", "NA", "Open"


@dataclass(frozen=True)
class Answer:
    """A question with its answer, the evidence, and the text that a person has to fill in."""

    title: str
    asks: str
    answer: str
    evidence: tuple[Evidence, ...]
    fill_in: str = ""


def find(name: str, record: Record) -> Evidence:
    """The evidence called `name`: a function of `from_results` or `from_files`."""
    module = from_results if hasattr(from_results, name) else from_files
    return getattr(module, name)(record)


def answer(question: dict, record: Record) -> Answer:
    """Yes where every evidence holds, else no; NA where it is shown; open where a person decides.

    An NA that is not shown is open, and so is a question that says what a person may know in place
    of missing evidence (`missing`).
    """
    title, asks, person = question["title"], question["asks"], question.get("person", "")
    if reason := question.get("not_applicable"):
        shown = find(reason, record)
        fill_in = "" if shown.holds else "[Whether it applies, and where it is told.]"
        return Answer(title, asks, NA if shown.holds else OPEN, (shown,), fill_in)
    evidence = tuple(find(name, record) for name in question["evidence"])
    if person:
        return Answer(title, asks, OPEN, evidence, person)
    holds = evidence and all(one.holds for one in evidence)
    if not holds and "missing" in question:
        return Answer(title, asks, OPEN, evidence, question["missing"])
    return Answer(title, asks, YES if holds else NO, evidence)


def read() -> list[dict]:
    """The lists of questions."""
    return yaml.safe_load(QUESTIONS.read_text(encoding="utf-8"))


def answers(record: Record) -> list[tuple[dict, list[Answer]]]:
    """Every list with the answers to its questions."""
    return [(each, [answer(q, record) for q in each["questions"]]) for each in read()]
