"""The command of a page of units: make what is missing, commit it, write the page."""

from collections.abc import Mapping

from reproduce.experiments import committed, page_work
from reproduce.experiments.committed import UnitPage
from reproduce.pages import common


def run(page: UnitPage, name: str, description: str, budgets: Mapping) -> None:
    """Do it by the options of the command line; `name` is that of the page's folder.

    `budgets` maps a preset to what has its number of `seeds`.
    """
    arguments = common.arguments(page.units, description, budgets, common.add_missing)
    source = page_work.Source(arguments.preset, arguments.seeds, arguments.runs)
    if arguments.missing:
        committed.take(page, source)
    page_work.run(arguments, page.works(source))
    committed.commit(page, source)
    folder = common.folder(name, source.preset)
    print(f"page: {page.path(folder)} (numbers {page.make(source, folder)})")
