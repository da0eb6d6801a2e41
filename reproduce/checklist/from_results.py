"""Evidence in the committed results: each function returns what it rests on and where that is."""

import math
import re
from collections import Counter

from reproduce.checklist.record import ASSETS, Evidence, Record, cell_of, every, processes
from reproduce.results.scored import AIS, ANNEALED


def configurations(record: Record) -> Evidence:
    """Every result holds its configuration, whole enough to run again."""
    needed = {"row", "seed", "method", "data", "network", "optimiser", "trainer", "evaluate"}
    wrong = [p for p, r in record.results.items() if not needed <= r.get("config", {}).keys()]
    count = len(record.results)
    text = f"each of {count} results holds its resolved configuration, every hyper-parameter in it"
    return every(record.results, wrong, text, record.folders, "holds its configuration")


def seeds(record: Record) -> Evidence:
    """Every result names its seed."""
    wrong = [p for p, r in record.results.items() if not isinstance(r.get("seed"), int)]
    used = sorted({r["seed"] for p, r in record.results.items() if p not in wrong})
    text = f"seeds {', '.join(map(str, used))}; every random number is a function of the seed"
    return every(
        record.results, wrong, text, ["src/annealed/utils/randomness.py"], "names its seed"
    )


def commits(record: Record) -> Evidence:
    """Every process ran committed code."""
    clean = re.compile(r"[0-9a-f]{40}")
    wrong = [
        path
        for path, r in record.results.items()
        if not all(clean.fullmatch(p.get("commit", "")) for p in [*processes(r), r["provenance"]])
    ]
    used = sorted({p.get("commit", "")[:12] for p in record.processes()})
    text = f"commits {', '.join(used)}"
    return every(record.results, wrong, text, record.folders, "is of a clean commit")


def commands(record: Record) -> Evidence:
    """Every result names the command that made it."""
    wrong = [p for p, r in record.results.items() if not r["provenance"].get("command")]
    first = next(iter(record.finished), "")
    run = cell_of(first)
    text = f"each result names its command; `make reproduce-cell CELL={run}` runs one again"
    return every(record.results, wrong, text, [first], "names its command")


def digests(record: Record) -> Evidence:
    """Every finished result names the data by their digest."""
    wrong = [p for p, r in record.finished.items() if len(r.get("data_digest", "")) != 64]
    named = {(r["data"], r.get("data_digest", "")[:12]) for r in record.finished.values()}
    text = "; ".join(f"{data}: SHA-256 {digest}" for data, digest in sorted(named))
    return every(record.finished, wrong, text, record.folders, "names its data's digest")


def splits(record: Record) -> Evidence:
    """The split that was scored, its size, and those of the data set."""
    wrong = [p for p, r in record.finished.items() if not r.get("test_images")]
    wrong += [p for p, r in record.finished.items() if r["data"] not in ASSETS["data"]]
    scored = {(r["data"], r["test_images"], r.get("split", "test")) for r in _known(record)}
    parts = [f"{data}: scored on {n} {split} images" for data, n, split in sorted(scored)]
    by_ais = {(r["data"], r[AIS]["test_images"]) for r in _known(record) if AIS in r}
    parts += [f"{data}: by AIS scored on {n} of them" for data, n in sorted(by_ais)]
    parts += [f"{data}: {ASSETS['data'][data]['images']}" for data in _data(record)]
    files = [ASSETS["data"][data]["code"] for data in _data(record)]
    return every(record.finished, wrong, "; ".join(parts), files, "names its split")


def preprocessing(record: Record) -> Evidence:
    """How the images were binarised, and which results are of a part of them."""
    wrong = [p for p, r in record.finished.items() if not r.get("binarisation")]
    kinds = sorted({f"{r['data']}: {r.get('binarisation')}" for r in record.finished.values()})
    parts = Counter(filter(None, map(_part, record.finished.values())))
    counts = [f"{part}: {n} result{'s' if n > 1 else ''}" for part, n in sorted(parts.items())]
    left_out = f"but in trials of a part of them: {'; '.join(counts)}" if parts else "anywhere"
    text = f"binarisation, {'; '.join(kinds)}; no image is excluded {left_out}"
    return every(record.finished, wrong, text, ["src/annealed/data/images.py"], "names it")


def _part(result: dict) -> str:
    """The part of the data set that a result is of; empty where it is of all."""
    options, said = result["config"]["data"], []
    if options.get("train_images") is not None:
        said.append(f"{options['train_images']} images to train on")
    if options.get("held_out_images") is not None:
        said.append(f"{options['held_out_images']} of each held-out split")
    return f"{result['data']}, {' and '.join(said)}" if said else ""


def hardware(record: Record) -> Evidence:
    """The machine of every process."""
    needed = ("device", "device_type", "cores", "threads", "platform", "versions")
    wrong = [
        p for p, r in record.results.items() if any(not r["provenance"].get(key) for key in needed)
    ]
    machines = Counter(
        f"{p.get('device')} ({p.get('device_type')}), {p.get('cores')} cores, "
        f"{p.get('threads')} threads a process"
        for p in record.processes()
    )
    text = "; ".join(f"{name}: {count} processes" for name, count in sorted(machines.items()))
    return every(record.results, wrong, text, record.folders, "names its machine")


def memory(record: Record) -> Evidence:
    """The memory of every machine."""
    wrong = [p for p, r in record.results.items() if not r["provenance"].get("memory_gib")]
    sizes = sorted({p["memory_gib"] for p in record.processes() if p.get("memory_gib")})
    text = f"memory of the machines, GiB: {', '.join(f'{size:.1f}' for size in sizes)}"
    return every(record.results, wrong, text, record.folders, "names its machine's memory")


def hours(record: Record) -> Evidence:
    """Time that all runs took, those that diverged among them."""
    made = record.runs
    wrong = [p for p, r in made.items() if _seconds(r) is None]
    train, score, device = 0.0, 0.0, Counter()
    for path, r in made.items():
        if path not in wrong:
            trained, scored = _seconds(r)
            train, score = train + trained, score + scored
            trainer = [*r.get("training", {}).get("sessions", []), r["provenance"]][0]
            for seconds, where in ((trained, trainer), (scored, r["provenance"])):
                on_cpu = where.get("device_type") == "cpu"
                unit, width = ("core", where.get("threads", 1)) if on_cpu else ("GPU", 1)
                device[unit] += width * seconds / 3600
    each = " and ".join(f"{value:.2f} {unit}-hours" for unit, value in sorted(device.items()))
    count = max(len(made), 1)
    text = (
        f"{(train + score) / 3600:.2f} hours of processes ({train / 3600:.2f} of training, "
        f"{score / 3600:.2f} of scoring), {each}; {(train + score) / 60 / count:.1f} minutes a "
        "run; runs that diverged are counted up to their last whole epoch; what a kill lost since "
        "the last checkpoint, results that were not kept and the small models of pages are not"
    )
    return every(made, wrong, text, record.folders, "says how long it took")


def runs(record: Record) -> Evidence:
    """How many runs there were."""
    made = record.runs
    status = Counter(r["status"] for r in made.values())
    again = sum(len(r.get("training", {}).get("sessions", [])) > 1 for r in made.values())
    counts = ", ".join(f"{count} {name}" for name, count in sorted(status.items()))
    text = (
        f"{len(made)} training runs, each scored once: {counts}; {again} were "
        "interrupted and went on"
    )
    if annealed := sum(AIS in r for r in made.values()):
        text += f"; {annealed} were scored by annealed importance sampling too"
    if twice := len(record.results) - len(made):
        text += f", {twice} of them with a result of their own for it"
    apart = sorted((record.root / "reports").glob("*/*seeds.csv"))
    if apart:
        text += "; the small models of pages are told apart, each by row and seed"
    listed = (*record.folders, *(p.relative_to(record.root).as_posix() for p in apart))
    return every(made, [], text, listed, "is counted")


def data_licences(record: Record) -> Evidence:
    """Every data set that was used has a licence on record."""
    wrong = [p for p, r in record.results.items() if r.get("data") not in ASSETS["data"]]
    known = [ASSETS["data"][data] for data in _data(record)]
    text = "; ".join(f"{a['name']}: {a['licence']}, stated at {a['stated']}" for a in known)
    files = ["reproduce/checklist/assets.yaml"]
    return every(record.results, wrong, text, files, "is on data of known licence")


def data_sources(record: Record) -> Evidence:
    """Where the data come from."""
    wrong = [p for p, r in record.results.items() if r.get("data") not in ASSETS["data"]]
    text = "; ".join(
        f"{ASSETS['data'][d]['name']}: {ASSETS['data'][d]['source']}" for d in _data(record)
    )
    files = [ASSETS["data"][data]["code"] for data in _data(record)]
    return every(record.results, wrong, text, files, "is on data of known source")


def no_collection(record: Record) -> Evidence:
    """No data were collected, from people or otherwise: every result is on a published set."""
    wrong = [
        p
        for p, r in record.results.items()
        if ASSETS["data"].get(r.get("data"), {}).get("collected") is not False
    ]
    names = ", ".join(ASSETS["data"][data]["name"] for data in _data(record))
    text = f"every result is on a data set that others published ({names}); nobody was asked"
    files = ["reproduce/checklist/assets.yaml"]
    return every(record.results, wrong, text, files, "is on published data")


def _data(record: Record) -> list[str]:
    return sorted({r.get("data") for r in record.results.values()} & ASSETS["data"].keys())


def _known(record: Record) -> list[dict]:
    return [r for r in record.finished.values() if r.get("test_images")]


def _seconds(result: dict) -> tuple[float, float] | None:
    """Device seconds of training, a seed's share, and of scoring, by AIS too where it was."""
    training = result.get("training", {})
    trained = training.get("seconds_a_seed", training.get("seconds"))
    devices = max([s.get("devices", 1) for s in training.get("sessions", [])], default=1)
    trained = None if trained is None else trained * devices
    scored = result.get("evaluate_seconds", 0.0 if result["status"] == "diverged" else None)
    annealed = sum(result[key]["evaluate_seconds"] for key in ANNEALED if key in result)
    if trained is None or scored is None or not math.isfinite(trained + scored):
        return None
    return trained, scored + annealed
