"""Where the numbers of a table come from, in a title and a sentence."""

from collections import Counter

from annealed.utils.provenance import OUTSIDE
from reproduce.pages.markdown import span_of
from reproduce.results import published

BINARISATION = {
    "dynamic": "dynamic (test set binarised once)",
    "static": "static",
    "none": "none (256 levels)",
}


def headline(results: list[dict], preset: str, note: str = "") -> tuple[str, str]:
    """The table's first line and the line that says where its numbers come from."""
    done = [r for r in results if r["status"] == "finished"]
    first = done[0]
    span = span_of(r["training"]["epochs"] for r in done)
    counts = Counter(r["row"] for r in results).values()
    seeds = f"{span_of(counts)} seed{'s' * (max(counts) > 1)}"
    sessions = [s for r in done for s in [*r["training"]["sessions"], r["provenance"]]]
    commits = sorted({session["commit"] for session in sessions})
    files = [file for session in sessions for file in session.get(OUTSIDE, [])]
    names = sorted({f"{file['path']} (SHA-256 {file['sha256'][:12]})" for file in files})
    outside = f"; not in a commit: {', '.join(names)}" if names else ""
    smoke = "SMOKE RUN, far from converged and no evidence: " if preset == "quick" else ""
    split = first.get("split", "test")
    limits = early_stopping(done)
    of = f"{smoke}{note}{split} NLL on {first['data']}"
    title = ", ".join([of, f"preset {preset}", *limits[:1], seeds])
    trained = ", ".join([f"epochs trained {span}", *limits])
    source = (
        f"preset {preset}; data {first['data']}, "
        f"binarisation {BINARISATION[first['binarisation']]}, "
        f"SHA-256 {first['data_digest'][:12]}; {first['test_images']} {split} images; "
        f"{trained}; S = {first['samples']} importance samples; {seeds}; "
        f"{devices(done)}; commit {', '.join(commits)}{outside}"
    )
    return title, source


def early_stopping(done: list[dict]) -> list[str]:
    """How long finished runs might train, and how many stopped before; empty without patience."""
    patient = [r for r in done if _trainer(r, "patience")]
    if not patient:
        return []
    most, patience = (span_of(_trainer(r, key) for r in patient) for key in ("epochs", "patience"))
    early = [r["row"] for r in patient if r["training"]["epochs"] < _trainer(r, "epochs")]
    counts = ", ".join(f"{published.label(r)} {early.count(r)}" for r in dict.fromkeys(early))
    stopped = f"{len(early)} of {len(patient)} runs stopped before, by a patience of {patience}"
    return [f"at most {most} epochs", stopped + f" ({counts})" * bool(early)]


def devices(done: list[dict]) -> str:
    """What finished runs were trained on: the device of most rows, then those of the others."""
    rows: dict[str, list[str]] = {}
    for result in done:
        sessions, label = result["training"]["sessions"], published.label(result["row"])
        names = sorted({session.get("device", "an unnamed device") for session in sessions})
        of_device = rows.setdefault(" and ".join(names), [])
        of_device += [label] if label not in of_device else []
    most, *others = sorted(rows, key=lambda device: -len(rows[device]))
    apart = "; ".join(f"{', '.join(rows[device])} on {device}" for device in others)
    return f"trained on {most}" + (f" ({apart}: train min do not compare)" if apart else "")


def _trainer(result: dict, key: str) -> int:
    """A number of a run's configuration, 0 where it has none."""
    return result["config"].get("trainer", {}).get(key, 0)
