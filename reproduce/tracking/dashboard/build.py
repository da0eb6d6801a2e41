"""The layout as objects of wandb-workspaces, with the same names at every call."""

import hashlib

import wandb_workspaces.reports.v2 as wr
import wandb_workspaces.workspaces as ws
from wandb_workspaces import expr

from reproduce.tracking.dashboard.layout import BARS, COLUMNS, GROUPS, LINES, MEDIA, SECTIONS, Panel

TITLE = "Annealed Variational Objectives, a reproduction"
ABOUT = (
    "Runs are grouped by data, row and preset; a line is the mean over seeds and a band runs from "
    "the lowest to the highest. The record is each run's own files, and reports/ what is made of "
    "them."
)
TRAINED = "JobType = 'train'"  # an evaluation would count a seed twice
WIDTH, HEIGHT, ACROSS = 8, 6, 3  # of a panel, in a grid of 24; panels side by side


def panel(one: Panel, place: int = 0):
    """A panel, at its `place` in a grid of ACROSS columns."""
    at = wr.Layout(WIDTH * (place % ACROSS), HEIGHT * (place // ACROSS), WIDTH, HEIGHT)
    if one.kind == LINES:
        bands = {"groupby_aggfunc": "mean", "groupby_rangefunc": "minmax"}
        made = wr.LinePlot(title=one.title, x=one.x, y=list(one.keys), layout=at, **bands)
    elif one.kind == BARS:
        metrics = [wr.SummaryMetric(key) for key in one.keys]
        made = wr.BarPlot(title=one.title, metrics=metrics, groupby_aggfunc="mean", layout=at)
    elif one.kind == MEDIA:
        made = wr.MediaBrowser(title=one.title, media_keys=list(one.keys), num_columns=3, layout=at)
    else:
        made = wr.WeavePanelSummaryTable(table_name=one.keys[0], layout=at)
    made._id = name(one.title)  # W&B draws it at random
    return made


def name(text: str) -> str:
    """A name for the thing called `text`."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def workspace(entity: str, project: str) -> ws.Workspace:
    """The project's workspace: a section for each of SECTIONS."""
    groups = [expr.Config(key) for key in GROUPS]
    sections = [
        ws.Section(name=title, panels=[panel(one) for one in panels], is_open=True)
        for title, panels in SECTIONS.items()
    ]
    return ws.Workspace(
        entity=entity,
        project=project,
        name="annealed",
        sections=sections,
        runset_settings=ws.RunsetSettings(
            groupby=groups, filters=TRAINED, pinned_columns=list(COLUMNS)
        ),
    )


def report(entity: str, project: str) -> wr.Report:
    """The report: the same panels under headings, and what they show."""
    blocks = [wr.P(ABOUT), wr.TableOfContents()]
    for title, panels in SECTIONS.items():
        groups = [f"config.{key}" for key in GROUPS]
        runs = wr.Runset(
            entity=entity, project=project, name=title, groupby=groups, filters=TRAINED
        )
        runs._id = name(f"runs of {title}")
        placed = [panel(one, place) for place, one in enumerate(panels)]
        blocks += [wr.H2(title), wr.PanelGrid(runsets=[runs], panels=placed)]
    return wr.Report(entity=entity, project=project, title=TITLE, description=ABOUT, blocks=blocks)


def specification(project: str) -> dict:
    """Both as W&B takes them, ready for JSON, of nobody in particular."""
    made = {"workspace": workspace("", project), "report": report("", project)}
    return {
        key: one._to_model().spec.model_dump(mode="json", by_alias=True, exclude_none=True)
        for key, one in made.items()
    }
