import json
import math
import os
import re
import shlex
import subprocess
import sys
import zipfile

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from commands import Command, annealed, sentence
from conftest import ROOT, TINY, mnist_folder
from scipy import stats
from test_layers import ROOMS

from annealed import config as configuration
from annealed.config import registry
from annealed.training.record import read_metrics
from reproduce.results.statistics import interval
from reproduce.results.store import RESULTS, committed_results, pack_of
from reproduce.table import by_epoch, curves, readme, shorter

README = (ROOT / "README.md").read_text(encoding="utf-8")
GUIDE = (ROOT / "src" / "annealed" / "README.md").read_text(encoding="utf-8")
FOLDERS = ("", "configs", "reproduce", "src/annealed", "src/annealed/data", "reports")
SHORT = ROOT / "reports" / "short"


def blocks() -> dict[str, str]:
    """The package's README's code blocks whose first line names a file."""
    actual = re.findall(r"```\w+\n(# (\S+)\n.*?)```", GUIDE, flags=re.DOTALL)
    return {name: text for text, name in actual}


def write_blocks(folder, *names):
    """Put those blocks into `folder` as files."""
    for name in names:
        (folder / name).write_text(blocks()[name], encoding="utf-8")


def test_the_row_of_the_readme_runs_from_outside_the_package(tmp_path):
    write_blocks(tmp_path, "full_rank.py", "full_rank.yaml")
    command = ["fit", "--config", "full_rank.yaml", *TINY]
    assert "--allow-import" in sentence(annealed(*command, cwd=tmp_path))
    result = annealed(*command, "--allow-import", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    folder = tmp_path / "runs" / "quick" / "digits" / "full_rank" / "seed0"
    assert (folder / "result.json").exists()
    scored = annealed("evaluate", folder, "--samples", "30", "--allow-import", cwd=tmp_path)
    assert scored.returncode == 0, scored.stderr


def test_the_row_of_the_readme_that_follows_its_target_runs_from_outside(tmp_path):
    write_blocks(tmp_path, "two_sizes.py")
    row = blocks()["full_rank.yaml"].replace("full_rank.FullRank", "two_sizes.TwoSizesRow")
    (tmp_path / "two_sizes.yaml").write_text(row, encoding="utf-8")
    toy = ["preset=quick", "data.name=toy", "data.energy=four_modes", "wandb.mode=disabled"]
    command = ["fit", "--config", "two_sizes.yaml", "--allow-import", *toy]
    result = annealed(*command, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    (file,) = tmp_path.glob("runs/quick/toy/four_modes/two_sizes/seed0/result.json")
    numbers = json.loads(file.read_text(encoding="utf-8"))
    assert abs(numbers["log_z"]) < 4 * numbers["log_z_mc_error"] < 0.4


def test_the_objective_of_the_readme_runs_from_outside_and_its_option_takes_effect(tmp_path):
    write_blocks(tmp_path, "full_rank.py", "free_bits.py", "free_bits.yaml")
    command = ["fit", "--config", "free_bits.yaml", "--allow-import", *TINY]
    assert "method.floor" in sentence(annealed(*command, "method.floor=-1", cwd=tmp_path))
    rates = {}
    for floor in (0.0, 30.0):
        runs = tmp_path / f"floor{floor}"
        result = annealed(*command, f"method.floor={floor}", f"runs={runs}", cwd=tmp_path)
        assert result.returncode == 0, result.stderr
        folder = runs / "quick" / "digits" / "free_bits" / "seed0"
        scored = json.loads((folder / "result.json").read_text(encoding="utf-8"))
        assert (scored["status"], scored["config"]["method"]["floor"]) == ("finished", floor)
        rates[floor] = read_metrics(folder)["val/rate"].iloc[-1]
    assert rates[30.0] > rates[0.0] + 3  # below the floor nothing holds the rate down


@pytest.mark.parametrize("name", ["full_rank.Nothing", "nothing.FullRank", "os.path"])
def test_a_dotted_path_that_is_no_method_is_refused(tmp_path, name):
    write_blocks(tmp_path, "full_rank.py")
    command = ["fit", "--config", "vae", f"method.name={name}", "--allow-import"]
    assert f"method.name is '{name}'" in sentence(annealed(*command, cwd=tmp_path))


def test_the_library_snippet_of_the_readme_runs_as_it_stands(capsys):
    (code,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    (stream,) = re.findall(r"```python\n(stream = .*?)```", GUIDE, flags=re.DOTALL)
    for long, brief in (("steps=2000", "steps=20"), ("10_000", "1000")):
        assert long in code
        code, stream = code.replace(long, brief), stream.replace(long, brief)
    names = {"__name__": "snippet"}
    with torch.random.fork_rng():
        exec(code, names)
    exec(stream.replace(".split(1000)", ".split(300)"), names)
    first, second, third = capsys.readouterr().out.splitlines()
    for line in (first, second):
        assert re.match(r"log Z = -?\d+\.\d+ nats, standard error .*, ESS .*, k-hat", line)
    assert float(second.split()[3]) == pytest.approx(math.log(2 * math.pi), abs=0.5)
    streamed = re.match(r"tensor\(\[(-?\d+\.\d+)\]", third)
    assert float(streamed[1]) == pytest.approx(float(first.split()[3]), abs=1e-3)


def test_the_annealing_snippet_of_the_guide_bounds_the_exact_value_on_both_sides():
    (code,) = re.findall(r"```python\n(import torch\n.*?)```", GUIDE, flags=re.DOTALL)
    names = {"__name__": "snippet"}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        exec(code, names)
    exact = names["model"].log_marginal(names["x"])
    lower, upper = names["chains"].forward(), names["chains"].reverse(names["z"])
    assert (lower.log_prob - exact).abs().max() < 0.5
    assert (upper.log_prob - exact).abs().max() < 0.5


def test_the_snippet_of_the_guide_that_follows_a_target_estimates_its_log_z(capsys):
    (code,) = re.findall(r"```python\n(import annealed as al\n.*?)```", GUIDE, flags=re.DOTALL)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        exec(code.replace("steps=1000", "steps=100"), {"__name__": "snippet"})
    radius = torch.linspace(0, 8, 100_001, dtype=torch.float64)
    density = (-(radius.square() - 4.0).square() / 4.0).exp() * 2.0 * math.pi * radius
    words = capsys.readouterr().out.split()
    log_z, error = float(words[3]), float(words[7].rstrip(","))
    assert abs(log_z - torch.trapezoid(density, radius).log()) < 5 * error < 0.2


def test_the_snippet_on_trained_weights_scores_the_committed_ones(monkeypatch, capsys):
    (code,) = re.findall(r"```python\n(from pathlib import Path\n.*?)```", GUIDE, flags=re.DOTALL)
    monkeypatch.setenv("ANNEALED_DATA", str(mnist_folder()))
    monkeypatch.chdir(ROOT)
    names = {"__name__": "snippet"}
    exec(code, names)
    assert names["z"].shape == (100, 10, 40)
    stored = pack_of("short", "mnist", ROOT / RESULTS).log_prob("hvi_avo/seed0")[:10]
    made = [float(z) for z in re.findall(r"log Z = (-\d+\.\d+) nats", capsys.readouterr().out)]
    assert len(made) == 10
    assert np.mean(made) == pytest.approx(stored.mean(), abs=1.0)


def test_the_readmes_table_is_the_committed_one():
    assert readme.update(README, ROOT) == README
    rows = [line for line in README.splitlines() if line.startswith("| VAE |")]
    assert [line.count("|") - 1 for line in rows] == [2 + 3 * len(readme.shown(README, ROOT))]
    table = pd.read_csv(SHORT / "nll_table.csv")
    assert all(f"| {label} |" in README for label in table.label)


def test_a_row_of_the_readme_says_only_what_its_numbers_allow():
    columns = {"label": "X", "published": np.nan, "nll": 86.5, "ci_low": np.nan}
    columns |= {"ci_high": np.nan, "difference": np.nan, "verdict": "not comparable"}
    columns |= {"row": "x", "seeds": 1, "k_hat_untrusted": 0.5}
    line = readme.summary({"here": pd.DataFrame([columns])})
    assert line.splitlines()[-1] == "| X | - | 86.50 | - | 50.0 % |"


def test_the_readmes_sentences_have_the_numbers_of_the_committed_table():
    table = pd.read_csv(SHORT / "nll_table.csv").set_index("row")
    vae, hvi, avo = (f"{table.nll[row]:.2f}" for row in ("vae", "hvi", "hvi_avo"))
    text = " ".join(README.split())
    papers = table.nll[table.published.notna()]
    assert table.published.idxmin() == papers.idxmax() == "hvi_avo"
    assert f"published as the best row ({table.published['hvi_avo']:.2f} nats)" in text
    assert f"the last of the paper's rows: {avo}, behind HVI" in text
    best = table.nll.nsmallest(4)
    assert set(best.index) == {"lmcvae", "mcd", "cmcd", "uha"}
    assert (
        f"the lowest NLLs of `short`, {best.min():.2f} to {best.max():.2f}, for four times" in text
    )
    cost = pd.read_csv(ROOT / "reports" / "successors" / "cost.csv").set_index("row").time_ratio
    assert (cost[best.index].round() == 4).all()
    assert f"behind HVI ({hvi}) and the plain VAE ({vae}) in all three seeds" in text
    runs = pd.read_csv(SHORT / "nll_cells.csv")
    cells = runs.pivot(index="seed", columns="row", values="nll")
    assert len(cells) == 3
    assert (cells.hvi_avo > cells[["vae", "hvi"]].max(axis=1)).all()
    level = ["vae", "hvi", "iaf", "cc_lin_iaf"]
    assert (table.nll[level] < table.published[level]).all()
    on_gpu = set(runs.row[runs["provenance.device_type"] != "cpu"])
    assert on_gpu == set(best.index)

    def hours(preset):
        made = [one.read() for one in committed_results(preset, "mnist", ROOT / RESULTS)]
        on_cpu = [r for r in made if r["row"] not in on_gpu]
        return [(r["training"]["seconds_a_seed"] + r["evaluate_seconds"]) / 3600 for r in on_cpu]

    each = f"{min(hours('paper')):.0f} to {max(hours('paper')):.0f} h a run"
    assert f"| {sum(hours('short')):.0f} h, and a GPU for four rows; {each} |" in text


def test_the_numbers_on_static_binarisation_are_those_committed():
    nll = pd.read_csv(SHORT / "mnist_static" / "nll_table.csv").set_index("row").nll
    assert nll.idxmax() == "hvi_avo"
    assert set(nll.index) == {"hvi_avo", "vae", "hvi", "iaf"}
    text = " ".join((ROOT / "reports" / "README.md").read_text(encoding="utf-8").split())
    others = "against {vae:.2f} (VAE), {hvi:.2f} (HVI) and {iaf:.2f} (IAF)".format(**nll)
    assert f"{nll['hvi_avo']:.2f} ([short/mnist_static](short/mnist_static/nll_table.md))" in text
    assert others in text


COUNTS = {1: "one", 2: "two", 3: "three", 5: "five"}


def test_what_is_said_of_fixed_bits_is_what_their_tables_say():
    few, long = (
        pd.read_csv(ROOT / "reports" / preset / "mnist_static" / "nll_table.csv").set_index("row")
        for preset in ("short", "paper")
    )
    assert dict(long.seeds) == {"vae": 5, "hvi": 3, "hvi_avo": 3, "iaf": 5}
    assert set(few.seeds) == {3}
    found, front, index = (" ".join(text.split()) for text in (FINDINGS, README, INDEX))
    nll = {row: f"{value:.2f}" for row, value in long.nll.items()}
    for row in long.index[long.seeds > 1]:
        nll[row] += f" ± {(long.ci_high[row] - long.ci_low[row]) / 2:.2f}"
    then = {row: f"{value:.2f}" for row, value in long.published.items()}
    made = committed_results("paper", "mnist_static", ROOT / RESULTS)
    (epochs,) = {one.read()["training"]["epochs"] for one in made}
    place = "(paper/mnist_static/nll_table.md)"
    assert f"at its rate, {epochs} epochs, the VAE has [{nll['vae']}]{place} and" in found
    hvi, avo = (COUNTS[long.seeds[row]] for row in ("hvi", "hvi_avo"))
    others = f"HVI {nll['hvi']} ({hvi}), HVI-AVO {nll['hvi_avo']} ({avo})"
    assert f"and IAF {nll['iaf']} (five seeds), {others}." in found
    flows = f"{nll['vae']} (published {then['vae']}) and IAF {nll['iaf']} ({then['iaf']}), five"
    walks = f"{hvi} seeds of HVI have {nll['hvi']} ({then['hvi']}), {avo} of HVI-AVO have"
    walks += f" {nll['hvi_avo']} ({then['hvi_avo']})"
    assert f"after {epochs} epochs of `paper`: the VAE has {flows} seeds each; {hvi}" in front
    assert f"{walks}." in front
    above = (few.nll - few.published)[["vae", "hvi", "iaf"]]
    span = f"{above.min():.2f} to {above.max():.2f} above their published NLLs"
    assert f"On them VAE, HVI and IAF are {span} after 100 epochs." in index
    five = f"{nll['vae']} (published {then['vae']}), of IAF {nll['iaf']} ({then['iaf']})"
    assert f"after {epochs} epochs, five seeds of the VAE have {five};" in index
    assert f"{walks} ([paper/mnist_static]{place})" in index
    assert list(long.index[long.verdict == "reproduced"]) == ["vae"]
    iaf, hvi, avo = (f"{abs(long.difference[row]):.2f}" for row in ("iaf", "hvi", "hvi_avo"))
    assert (long.difference[["iaf", "hvi"]] < 0).all()
    assert f"published, IAF {iaf} and HVI {hvi} below, HVI-AVO {avo} above. - Paired" in index
    pairs = pd.read_csv(ROOT / "reports" / "paper" / "mnist_static" / "paired.csv")
    pairs, rows = pairs.set_index(["row", "against"]).loc["hvi_avo"], ("hvi", "vae")
    less = [pairs.loc[row] for row in rows]
    gap, lead = (f"{abs(p.difference):.2f} ± {(p.t_high - p.t_low) / 2:.2f}" for p in less)
    assert less[0].difference > 0 > less[1].difference
    hvi, vae = (COUNTS[int(pair.seeds)] for pair in less)
    behind = f"behind HVI ({hvi} seeds, Holm's p = {less[0].holm_t:.3f})"
    assert f"by seed HVI-AVO is {gap} {behind} and {lead} ahead of the VAE" in index
    assert f"ahead of the VAE ({vae}, Holm's p = {less[1].holm_t:.3f})." in index
    each = {row: [one.read()["nll"] for one in made if one.row == row] for row in long.index}
    welch = [stats.ttest_ind(each["hvi_avo"], each[r], equal_var=False).pvalue for r in rows]
    assert f"by Welch's t over all seeds, p is {welch[0]:.3f} and {welch[1]:.3f}." in index
    devices = {one.row: one.read()["provenance"]["device_type"] for one in made}
    assert devices == {"vae": "cuda", "iaf": "cuda", "hvi": "cpu", "hvi_avo": "cpu"}
    first = next(one.read() for one in made if (one.row, one.seed) == ("vae", 0))
    assert f"(commit 8984cd9) where it has {first['nll']:.2f} now." in index
    for said in _bounds(made):
        assert said in index


def _bounds(made):
    """What is said of HVI-AVO's bound less HVI's on fixed bits, a sentence each."""
    bounds = by_epoch.differences(curves.gather(made), "hvi_avo", "hvi")
    end = bounds.index[bounds.bound_seeds == 3].max()

    def behind(epoch):
        line = bounds.loc[epoch]
        return f"{-line.bound:.2f} ± {line.bound_high - line.bound:.2f}"

    early = f"HVI-AVO's validation bound there is {behind(220)} below HVI's at epoch 220,"
    late = f"{behind(end)} at {end}, over three seeds ([curves]"
    yield f"{early} twenty after the warm-up, and {late}"


def test_the_readme_is_short_and_lists_every_method_and_every_room():
    assert len(README.splitlines()) <= 150
    for name, place in registry.METHODS.items():
        assert f"| `{name}` | `{place.partition(':')[2]}` |" in README
    rooms = [p.parent.name for p in (ROOT / "src" / "annealed").glob("*/__init__.py")]
    for text, form in ((README, "\n      {}/ "), (GUIDE, "\n| `{}/` |")):
        places = [
            text.index(form.format(room))
            for group in ROOMS["annealed"]
            for room in group
            if room in rooms
        ]
        assert len(places) == len(rooms)
        assert places == sorted(places)


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_link_of_a_readme_resolves(folder):
    text = (ROOT / folder / "README.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    assert links
    for link in links:
        if not link.startswith("https://"):
            assert (ROOT / folder / link.partition("#")[0]).exists(), link


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_make_command_of_a_readme_exists_and_helps(folder):
    text = (ROOT / folder / "README.md").read_text(encoding="utf-8")
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, encoding="utf-8").stdout
    variables = re.findall(
        r"^([A-Z_]+) *\?=", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.M
    )
    commands = re.findall(r"(?:`|^ *)make ([a-z-]+)((?: [A-Z_]+=\S+)*)", text, flags=re.M)
    for target, given in commands:
        assert f"make {target} " in shown, target
        assert set(re.findall(r"([A-Z_]+)=", given)) <= set(variables), given


@pytest.mark.parametrize(("given", "seeds"), [([], 3), (["SEEDS=5"], 5)])
def test_every_page_at_full_size_comes_with_the_table_of_as_many_seeds(given, seeds):
    command = ["make", "-n", "reproduce", "PRESET=full", *given]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8").stdout
    (table,) = re.findall(r"-m reproduce --preset 'short' --seeds '(\d)'.*--keep", shown, re.S)
    assert int(table) == seeds


def test_every_python_command_of_the_readmes_is_accepted():
    texts = [(ROOT / folder / "README.md").read_text(encoding="utf-8") for folder in FOLDERS]
    commands = re.findall(r"(?:`|^ *)python -m ([\w.]+)(.*)$", "\n".join(texts), flags=re.M)
    asked = {}
    for module, rest in commands:
        phrase = shlex.split(re.split(r"`|#", rest)[0])
        if module not in asked:
            asked[module] = Command(module, "--help", cwd=ROOT).finish().stdout
        for option in (part for part in phrase if part.startswith("--")):
            assert f"{option} " in asked[module] or f"{option}]" in asked[module], option
        if module == "annealed.fit" and "--allow-import" not in phrase:
            name, *changes = (part for part in phrase if not part.startswith("--"))
            configuration.load(name, changes)
    assert set(asked) >= {"annealed.fit", "annealed.evaluate", "annealed.prepare", "reproduce"}


def test_the_wheel_carries_its_configurations_to_any_folder(tmp_path):
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*build, "-w", str(tmp_path), str(ROOT)], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("annealed-*.whl")
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    command = [sys.executable, "-m", "annealed.fit", "--config", "hvi_avo.yaml", "--print-config"]
    result = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        encoding="utf-8",
    )
    assert result.returncode == 0, result.stderr
    assert yaml.safe_load(result.stdout)["method"]["name"] == "hvi_avo"
    packaged = {p.relative_to(site / "annealed" / "configs") for p in site.rglob("*.yaml")}
    assert packaged == {p.relative_to(ROOT / "configs") for p in (ROOT / "configs").rglob("*.yaml")}


INDEX = " ".join((ROOT / "reports" / "README.md").read_text(encoding="utf-8").split())
FINDINGS = " ".join((ROOT / "reports" / "findings.md").read_text(encoding="utf-8").split())


def test_the_findings_numbers_are_those_of_the_committed_table():
    text = FINDINGS
    short = ROOT / "reports" / "short"
    table = pd.read_csv(short / "nll_table.csv").set_index("row")
    paired = pd.read_csv(short / "paired.csv").set_index(["row", "against"])
    pairs = paired["difference"]
    rows = ("vae", "hvi", "iaf", "hvi_avo", "cc_lin_iaf")
    vae, hvi, iaf, avo, linear = (f"{table.nll[row]:.2f}" for row in rows)
    vae_then, hvi_then, iaf_then, avo_then, linear_then = (
        f"{table.published[row]:.2f}" for row in rows
    )
    assert f"{vae} (published {vae_then}), {hvi} ({hvi_then}) and {iaf} ({iaf_then}," in text
    assert f"ccLinIAF's {linear} ({linear_then}) is {table.verdict['cc_lin_iaf']}" in text
    gap, linear_gap = (-pairs[row, "vae"] for row in ("iaf", "cc_lin_iaf"))
    then, linear_then = (table.published["vae"] - table.published[r] for r in ("iaf", "cc_lin_iaf"))
    assert f"Against the VAE, IAF gains {gap:.2f} nats (published: {then:.2f}) and" in text
    assert f"ccLinIAF {linear_gap:.2f} ({linear_then:.2f}), in every seed" in text
    holm = paired["holm_t"]
    assert list(holm.index[holm < 0.05]) == [("cc_lin_iaf", "vae"), ("iwae", "vae")]
    assert f"Holm's leaves ccLinIAF's shown (IAF: p = {holm['iaf', 'vae']:.3f})." in text
    assert f"gets {avo} (published {avo_then})" in text
    assert f"inference instead gets {table.nll['hvi_nvi']:.2f}, between HVI-AVO and" in INDEX
    assert table.nll["hvi"] < table.nll["hvi_nvi"] < table.nll["hvi_avo"]
    assert f"perhaps linear: ours has {table.nll['lin_iaf']:.2f})." in text
    against = f"{pairs['hvi_avo', 'hvi']:.2f}", f"{pairs['hvi_avo', 'vae']:.2f}"
    assert f"{against[0]} nats worse than HVI and {against[1]} worse than the VAE" in text
    costs = pairs["householder_avo", "householder"], pairs["iaf_avo", "iaf"]
    assert [round(3 * cost) for cost in costs] == [1, 1]
    third = "AVO costs Householder and IAF a third of a nat as well, which after Holm's correction"
    assert f"{third} three seeds do not show." in INDEX
    assert holm["householder_avo", "householder"] > 0.05
    assert holm["iaf_avo", "iaf"] > 0.05
    papers = table.nll[table.published.notna()]
    assert papers.idxmax() == "hvi_avo"
    assert "last of its rows," in text
    order = pd.read_csv(short / "order.csv").set_index(["row", "against"]).loc["hvi_avo"]
    assert (order.order == "reversed").all()
    assert set(order.index[order.holm_t < 0.05]) == {"iaf", "cc_lin_iaf"}
    assert "correction it is [shown](short/paired.md) behind IAF and ccLinIAF alone." in text
    caveat = "correction HVI-AVO is shown to be behind IAF and ccLinIAF, not behind HVI and the VAE"
    assert caveat in " ".join(README.split())
    shares = sorted(round(100 * share) for share in table.k_hat_untrusted)
    assert f"For {shares[0]} to {shares[-1]} % of `short`'s test images" in text
    assert set(table.seeds) == {3}
    assert len(text.split()) <= 400


def test_what_is_said_of_the_papers_length_is_what_its_report_says():
    table = pd.read_csv(ROOT / "reports" / "paper" / "nll_table.csv").set_index("row")
    rows = ("iaf", "hvi", "hvi_avo", "vae")
    iaf, hvi, avo, vae = (f"{table.nll[row]:.2f}" for row in rows)
    assert set(table.seeds) == {1}
    assert list(table.nll.sort_values().index) == list(rows)
    made = committed_results("paper", "mnist", ROOT / RESULTS)
    also = shorter.beside(made, "paper", "mnist", ROOT / RESULTS)
    rest = [("hvi", 1), ("hvi_avo", 1), ("cc_lin_iaf", 0)]
    assert [(one.row, one.seed) for one in also] == rest
    epochs = {one.row: one.read()["training"]["epochs"] for one in made}
    assert {row: n for row, n in epochs.items() if n < 2000} == {"hvi": epochs["hvi"]}
    metrics = curves.gather([*made, *also])
    both = by_epoch.differences(metrics, "hvi_avo", "hvi")
    both = both[both.bound_seeds == 2].iloc[-1]
    two = f"{-both.bound:.2f} ± {both.bound_high - both.bound:.2f}"
    metrics = metrics[metrics.seed == 0]
    behind = -by_epoch.differences(metrics, "hvi_avo", "hvi")[["bound", "at_steps"]]
    last, warm = behind.iloc[-1], made[0].read()["config"]["trainer"]["warmup_epochs"]
    assert len(behind) == epochs["hvi"]
    low, high = behind.bound[warm:].min(), behind.bound[warm:].max()
    flow = -by_epoch.differences(metrics, "hvi_avo", "iaf").bound
    gained = by_epoch.differences(metrics, "iaf", "hvi").bound.iloc[-1]
    assert (behind.bound[warm:] > 0).all()

    found, front, index = (" ".join(text.split()) for text in (FINDINGS, README, INDEX))
    span, twice = f"{low:.2f} to {high:.2f}", f"(two seeds at {both.name}: {two})"
    assert f"one seed each: IAF has {iaf}, HVI {hvi} ({epochs['hvi']} epochs), HVI-AVO" in found
    assert f"HVI-AVO {avo}, the VAE {vae}. HVI's validation bound is [{span}](paper/" in found
    assert f"above HVI-AVO's from epoch {warm} on {twice}." in found
    place = "(paper/curves.md)"
    assert f"At `paper`'s end {last.bound:.2f} becomes [{last.at_steps:.2f}]{place}." in found

    assert f"one seed each): IAF has {iaf}, HVI {hvi}, HVI-AVO {avo}, the VAE {vae}." in front

    assert f"one seed of IAF has {iaf}, of HVI {hvi}, of HVI-AVO {avo}, of the VAE {vae};" in index
    assert f"HVI stopped after {epochs['hvi']} by its patience;" in index
    assert f"HVI's validation bound is {span} above HVI-AVO's" in index
    assert f"at the end, {last.at_steps:.2f} at equal ELBO steps ([curves]" in index
    assert f"with a second seed of both it is {two} at epoch {both.name}. IAF's" in index
    flows = f"{flow[warm:].min():.2f} to {flow[warm:].max():.2f} above HVI-AVO's there and"
    assert f"IAF's bound is {flows} ends {gained:.2f} above HVI's of the same epoch." in index
    linear = also[-1].read()
    above, below = (
        by_epoch.differences(metrics, *pair).bound
        for pair in (("cc_lin_iaf", "hvi_avo"), ("iaf", "cc_lin_iaf"))
    )
    there = f"One seed of ccLinIAF has {len(above)} epochs, NLL {linear['nll']:.2f}"
    assert len(above) == linear["config"]["trainer"]["epochs"]
    where = f"its bound is {above.iloc[-1]:.2f} above HVI-AVO's there, {below.iloc[-1]:.2f} below"
    assert f"{there} (S = {linear['samples']}): {where} IAF's." in index
    page = " ".join((ROOT / "reports" / "successors.md").read_text(encoding="utf-8").split())
    nlls = f"the VAE has {vae}, of HVI-AVO {avo}, of HVI {hvi} and of IAF {iaf}."
    assert f"one seed of {nlls}" in page


def test_what_the_findings_say_of_trials_is_what_the_ablation_says():
    folder = ROOT / "reports" / "ablations"
    trials = pd.read_csv(folder / "effects.csv").set_index(["setting", "row", "change"])
    table = trials.loc["all images"]
    rows = pd.read_csv(folder / "rows.csv").set_index(["setting", "row", "choice", "against"])
    few, long = rows.loc["5000 images"], rows.loc["100 epochs"]

    def output(line):
        return f"{line.difference:+.2f} ± {(line.t_high - line.t_low) / 2:.2f}"

    gained = output(trials.loc["100 epochs", "hvi_avo", "trainer.epochs=125"])
    assert gained.startswith("-")
    assert f"HVI-AVO gains {gained[1:]} on validation" in INDEX
    matched, before = (
        output(long.loc["hvi_avo", c, "hvi"]) for c in ("trainer.epochs=125", "defaults")
    )
    assert f"distance from HVI is then {matched}, before {before}." in INDEX
    faster = table.xs("optimiser.learning_rate=2e-3", level="change")
    gains = -faster.difference
    assert f"gains the four rows tried {gains.min():.1f} to {gains.max():.1f} nats" in INDEX
    assert set(gains.index) == {"vae", "hvi", "hvi_avo", "iaf"}
    assert "HVI-AVO stays last" in INDEX
    assert faster.nll.idxmax() == "hvi_avo"
    static = pd.read_csv(ROOT / "reports" / "short" / "mnist_static" / "paired.csv")
    static = static.set_index(["row", "against"]).loc["hvi_avo", "hvi"]
    worse, fixed = (output(line)[1:] for line in (few.loc["hvi_avo", "defaults", "hvi"], static))
    assert f"5000 images HVI-AVO is {worse} worse, on [static" in FINDINGS
    assert f"(short/mnist_static/nll_table.md) {fixed}." in FINDINGS
    cost = output(table.loc["hvi_avo", "method.avo.rho=0.5"])[1:]
    assert f"half the steps under AVO cost {cost}" in INDEX
    readings = pd.read_csv(folder / "readings.csv").set_index("reading").difference
    assert readings.index[0] == "this code"
    assert len(readings) == 7
    others = readings.iloc[1:]
    assert others.min() > readings.iloc[0] > 0
    assert f"are {others.min():.2f} to {others.max():.2f} behind on validation" in FINDINGS


def test_what_the_findings_say_of_the_ring_is_what_that_page_says():
    table = pd.read_csv(ROOT / "reports" / "nested" / "summary.csv").set_index(["kind", "count"])
    avo, hvi = (table.log_z[kind, 8] for kind in ("AVO", "HVI"))
    assert f"log Z {avo:.2f} against {hvi:.2f}." in FINDINGS
    ring = pd.read_csv(ROOT / "reports" / "successors" / "ring.csv").set_index(["method", "count"])
    assert "On a [ring](nested/index.md) it wins:" in FINDINGS
    assert ring.log_z.idxmax() == ("HVI-AVO", 8)
    nll = pd.read_csv(ROOT / "reports" / "short" / "nll_table.csv").set_index("row").nll
    best = nll[["lmcvae", "mcd", "cmcd", "uha"]]
    assert set(nll.nsmallest(4).index) == set(best.index)
    assert f"MCD, CMCD and UHA get {best.min():.2f} to {best.max():.2f}, in four times" in FINDINGS


def test_what_the_findings_say_of_estimators_is_what_that_page_says():
    folder = ROOT / "reports" / "estimators"
    rows, pairs = (pd.read_csv(folder / f"{name}.csv") for name in ("rows", "pairs"))
    slack = rows.slack
    assert f"NLLs are {slack.min():.2f} to {slack.max():.2f} lower" in FINDINGS
    assert rows.set_index("row").nll_ais.idxmax() == "hvi_avo"
    pairs = pairs.set_index(["estimator", "row", "against"])
    line = pairs.loc["IS less AIS", "hvi_avo", "hvi"]
    half = (line.t_high - line.t_low) / 2
    assert f"HVI-AVO's gap to HVI {-line.difference:.3f} ± {half:.3f} wider" in FINDINGS
    shrinks = -pairs.loc["IS less AIS", "iaf", "vae"].difference
    assert f"IAF's lead shrinks by {shrinks:.2f} ([estimators]" in INDEX
    long = pd.read_csv(ROOT / "reports" / "paper" / "nll_table.csv").set_index("row")
    long = long.loc[["hvi", "iaf"]]
    lower = long.nll_is_same - long.nll_ais
    ours = f"Of `paper` HVI's is {lower['hvi']:.2f} lower"
    assert f"{ours}, IAF's {lower['iaf']:.2f}, HVI-AVO's unknown." in FINDINGS
    assert f"{ours} and IAF's {lower['iaf']:.2f}," in INDEX
    before, after = (nll["hvi"] - nll["iaf"] for nll in (long.nll_is_same, long.nll_ais))
    images = f"from {before:.2f} to {after:.2f} on these {long.ais_images['iaf']:.0f} images."
    assert f"one seed each: IAF's lead over HVI shrinks {images}" in INDEX


def test_how_far_avo_lies_behind_is_what_the_committed_curves_say():
    epochs = np.arange(20, 51)

    def metrics(row, seed):
        pack = pack_of("short", "mnist", ROOT / RESULTS)
        return pack.metrics(f"{row}/seed{seed}").sort_values("epoch")

    def bounds(row, seed):
        return metrics(row, seed)["val/elbo"].to_numpy()

    def final_gap(row, seed):
        last = metrics(row, seed).iloc[-1]
        return last["train/elbo"] - last["val/elbo"]

    def ahead(share):
        each = []
        for seed in range(3):
            avo, plain = bounds("hvi_avo", seed), bounds("hvi", seed)
            then = np.interp(share * epochs, np.arange(1, len(plain) + 1), plain)
            each.append(np.mean(avo[epochs - 1] - then))
        return interval(each)

    behind, half = ahead(1.0)
    assert f"{-behind:.2f} ± {half:.2f} below HVI's" in FINDINGS
    assert "at equal ELBO steps {:.2f} ± {:.2f} above.".format(*ahead(0.8)) in FINDINGS
    wider, half = interval([final_gap("hvi_avo", s) - final_gap("hvi", s) for s in range(3)])
    assert f"is {wider:.2f} ± {half:.2f} wider than HVI's" in FINDINGS
