"""Evidence in the repository's files: each function returns what it rests on and where that is."""

import re

import pandas as pd

from annealed.utils.errors import UsageError
from reproduce.checklist.record import ASSETS, Evidence, Record
from reproduce.results import published
from reproduce.table import readme

SCORING_MEMORY = "S, scoring HVI, memory"  # the benchmark's section that measures it


def _files(record: Record, needed: dict[str, str], text: str) -> Evidence:
    """Evidence that holds where every file is there and has the text demanded of it."""
    for path, demanded in needed.items():
        if not (record.root / path).is_file():
            return Evidence(False, f"{path} is not there")
        if demanded not in record.text(path):
            return Evidence(False, f"{path} does not say `{demanded}`", (path,))
    return Evidence(True, text, tuple(needed))


def intervals(record: Record) -> Evidence:
    """Every row of every table has an interval over seeds."""
    if not record.tables:
        return Evidence(False, "there is no committed table")
    for path, frame in record.tables.items():
        alone = frame[frame.seeds < 2]
        if "ci_low" not in frame or len(alone):
            rows = ", ".join(alone.row)
            return Evidence(False, f"no interval over seeds in {path} for {rows}", (path,))
    counts = sorted({int(n) for frame in record.tables.values() for n in frame.seeds})
    text = (
        "mean, standard deviation and 95% t-interval over seeds for every row "
        f"({', '.join(map(str, counts))} seeds a row), importance-sampling error apart"
    )
    return Evidence(True, text, tuple(record.tables))


def pairs(record: Record) -> Evidence:
    """Rows are compared by pairs, with Holm's correction."""
    frames = {}
    for path in record.tables:
        place = path.replace("nll_table", "paired")
        if not (record.root / place).is_file():
            return Evidence(False, f"{place} is not there")
        frames[place] = pd.read_csv(record.root / place)
        if not {"holm_t", "p_t"} <= set(frames[place].columns):
            return Evidence(False, f"{place} has no p-value after Holm's correction", (place,))
        if frames[place].holm_t.isna().all():
            return Evidence(False, f"no pair in {place} has two seeds", (place,))
    if not frames:
        return Evidence(False, "there is no committed table of pairs")
    count = sum(len(frame) for frame in frames.values())
    text = f"{count} paired differences with intervals, effect sizes and p-values after Holm"
    return Evidence(True, text, tuple(frames))


def verdicts(record: Record) -> Evidence:
    """How each row compares with its published number."""
    sentences = []
    for path, frame in record.tables.items():
        if "verdict" not in frame:
            return Evidence(False, f"{path} has no verdict", (path,))
        compared = frame[frame.verdict != "not comparable"]
        sentences += [f"{path}: {r.label} {r.verdict}" for r in compared.itertuples()]
    if not sentences:
        return Evidence(False, "no committed table compares a row with a published number")
    return Evidence(True, "; ".join(sentences), tuple(record.tables))


def statistic(record: Record) -> Evidence:
    """The measure and the intervals are defined beside the numbers."""
    rule = published.rule().partition(",")[0]
    pages = {path.replace(".csv", ".md"): rule for path in record.tables}
    if not pages:
        return Evidence(False, "there is no committed table")
    needed = {"README.md": "negative log-likelihood of the test set", **pages}
    text = "NLL by importance sampling, nats an image; intervals and verdicts defined under tables"
    return _files(record, needed, text)


def search(record: Record) -> Evidence:
    """The choices that were tried, on which images, and how one is chosen."""
    pages = {"mnist": "reports/ablations", "digits": "reports/ablations_digits"}
    tried = {
        name: len(pd.read_csv(path))
        for name, page in pages.items()
        if (path := record.root / page / "effects.csv").is_file()
    }
    if "mnist" not in tried:
        missing = f"{pages['mnist']}/effects.csv"
        return Evidence(False, f"{missing} is not there: `make reproduce-ablations PRESET=full`")
    counts = " and ".join(f"{count} on {name}" for name, count in tried.items())
    text = (
        f"choices tried: {counts}, each with what it gave on validation images; the transitions' "
        "first noise had been chosen before, on 1000 test images"
    )
    needed = {f"{pages[name]}{end}": "" for name in tried for end in (".md", "/effects.csv")}
    chosen = {"configs/base.yaml": "", "reports/assumptions.md": "first 1000 test images"}
    return _files(record, {**needed, **chosen}, text)


def assumptions(record: Record) -> Evidence:
    """What the paper leaves open and what was chosen."""
    path = "reports/assumptions.md"
    return _files(
        record, {path: "the paper leaves open"}, "every choice that the paper leaves open"
    )


def sources(record: Record) -> Evidence:
    """The methods, each with the paper that it is of."""
    citations = {
        path.relative_to(record.root).as_posix(): re.findall(r"arXiv (\d{4}\.\d{5})", text)
        for path in sorted((record.root / "src" / "annealed").rglob("*.py"))
        if "arXiv" in (text := path.read_text(encoding="utf-8"))
    }
    cited = sorted({number for numbers in citations.values() for number in numbers})
    if not cited:
        return Evidence(False, "no file of src/annealed/ cites the paper of its method")
    return Evidence(
        True, f"the code cites arXiv {', '.join(cited)} where it uses them", tuple(citations)
    )


def complexity(record: Record) -> Evidence:
    """Time and memory were measured."""
    needed = {"reports/benchmark.md": "us a image", "reports/benchmark.csv": SCORING_MEMORY}
    return _files(record, needed, "measured time an image and a sample, and memory over S")


def licence(record: Record) -> Evidence:
    """The code has a licence."""
    first = record.text("LICENSE").partition("\n")[0]
    return _files(record, {"LICENSE": "Permission is hereby granted"}, f"the code: {first}")


def package_licences(record: Record) -> Evidence:
    """Every package that the code needs has a licence on record."""
    block = re.search(r"^dependencies = \[(.*?)^\]", record.text("pyproject.toml"), re.M | re.S)
    needed = re.findall(r'"([\w-]+)', block[1]) if block else []
    missing = [name for name in needed if name not in ASSETS["packages"]]
    if not needed or missing:
        return Evidence(False, f"no licence on record: {', '.join(missing) or 'no dependencies'}")
    text = ", ".join(f"{name}: {ASSETS['packages'][name]}" for name in needed)
    return Evidence(True, text, ("pyproject.toml", "reproduce/checklist/assets.yaml"))


def dependencies(record: Record) -> Evidence:
    """Every package with its version."""
    pinned = re.findall(r"^([\w.-]+)==", record.text("requirements.lock"), re.M)
    if not pinned:
        return Evidence(False, "requirements.lock pins no package")
    needed = {"requirements.lock": "torch==", "pyproject.toml": "", "environment.yml": ""}
    return _files(record, needed, f"{len(pinned)} packages pinned by version")


def training_code(record: Record) -> Evidence:
    """The code that trains, and its command."""
    needed = {"src/annealed/runs/run.py": "", "README.md": "python -m annealed.fit --config"}
    return _files(record, needed, "`python -m annealed.fit --config hvi_avo.yaml` trains one run")


def evaluation_code(record: Record) -> Evidence:
    """The code that scores, and its command."""
    needed = {"src/annealed/evaluate.py": "", "README.md": "python -m annealed.evaluate"}
    return _files(record, needed, "`python -m annealed.evaluate RUN_DIR` scores a checkpoint")


def weights(record: Record) -> Evidence:
    """Trained weights in the repository."""
    paths = sorted(p.relative_to(record.root) for p in (record.root / "reports").rglob("*.ckpt"))
    if not paths:
        return Evidence(False, "no trained weights are committed; they are made by the commands")
    return Evidence(True, f"{len(paths)} checkpoints", tuple(p.as_posix() for p in paths))


def readme_table(record: Record) -> Evidence:
    """README has the committed table and the command that makes it."""
    text = record.text("README.md")
    try:
        same = text == readme.update(text, record.root)
    except UsageError as error:
        return Evidence(False, str(error))
    if not same:
        return Evidence(False, "README's table is not the committed one", ("README.md",))
    table = readme.shown(text, record.root)[0].as_posix()
    needed = {"README.md": "make reproduce-table PRESET=", table: ""}
    return _files(record, needed, "README has the committed table and the command that makes it")
