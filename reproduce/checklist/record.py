"""What the checklists are answered from: the committed results and files of a repository."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd
import yaml

from reproduce.results.pack import SUFFIX
from reproduce.results.published import SMOKE
from reproduce.results.scored import ANNEALED
from reproduce.results.store import RESULTS, every_result

ASSETS = yaml.safe_load((Path(__file__).parent / "assets.yaml").read_text(encoding="utf-8"))


def processes(result: dict) -> list[dict]:
    """The provenance of every process that trained a run or scored it."""
    scored = [result["provenance"]] if result["status"] == "finished" else []
    scored += [result[key]["provenance"] for key in ANNEALED if key in result]
    return [*result.get("training", {}).get("sessions", []), *scored]


@dataclass(frozen=True)
class Evidence:
    """Whether something is there, what is there or missing as a sentence, and in which files.

    `files` are relative to the repository.
    """

    holds: bool
    text: str
    files: tuple[str, ...] = ()


class Record:
    """A repository at `root`."""

    def __init__(self, root: Path):
        self.root = root

    @cached_property
    def results(self) -> dict[str, dict]:
        """The committed results by the path of their file and, after #, their name there.

        Smoke runs are none.
        """
        results = {}
        for one in every_result(self.root / RESULTS):
            path = one.pack.path.relative_to(self.root).as_posix()
            results[f"{path}#{one.name}"] = one.pack.results()[one.name]
        return {place: result for place, result in results.items() if result["preset"] != SMOKE}

    @property
    def runs(self) -> dict[str, dict]:
        """The results, of a run that is there with and without its score by AIS the one with it."""
        by_run = {}
        for path, result in self.results.items():
            plain = {k: v for k, v in result.items() if k not in ANNEALED}
            run = json.dumps(plain, sort_keys=True)
            if run not in by_run or len(result) > len(by_run[run][1]):
                by_run[run] = path, result
        return dict(by_run.values())

    @property
    def finished(self) -> dict[str, dict]:
        """The results that have an NLL."""
        return {path: r for path, r in self.results.items() if r["status"] == "finished"}

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders of committed results that hold presets, trials or pages."""
        return tuple(dict.fromkeys("/".join(path.split("/")[:3]) for path in self.results))

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The committed NLL tables by path."""
        files = sorted((self.root / "reports").glob("*/**/nll_table.csv"))
        paths = [path.relative_to(self.root) for path in files]
        return {p.as_posix(): pd.read_csv(self.root / p) for p in paths if p.parts[1] != SMOKE}

    def processes(self) -> list[dict]:
        """The provenance of every process that trained or scored, from the results.

        One that trained seeds side by side, or scored what it trained, counts once.
        """
        named = (p for result in self.results.values() for p in processes(result))
        return list({(p.get("date"), p.get("command"), p.get("commit")): p for p in named}.values())

    def text(self, path: str) -> str:
        """The content of a file, empty where there is none."""
        file = self.root / path
        return file.read_text(encoding="utf-8") if file.is_file() else ""


def cell_of(place: str) -> str:
    """What `make reproduce-cell` calls the run that `Record.results` has at `place`."""
    file, _, name = place.removeprefix(f"{RESULTS.as_posix()}/").partition("#")
    return f"{file.removesuffix(SUFFIX)}/{name}"


def every(results: dict[str, dict], wrong: list[str], text: str, files, what: str) -> Evidence:
    """Evidence that holds where there are `results` and none is `wrong`; `what` is demanded."""
    if not results:
        return Evidence(False, f"there is no committed result, so none {what}")
    if wrong:
        more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        return Evidence(False, f"not every result {what}: {wrong[0]}{more}", tuple(wrong[:1]))
    return Evidence(True, text, tuple(files))
