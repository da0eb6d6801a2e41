"""The page of all reports: what is in it, that it stands alone, that a browser shows it."""

import json
import re
import shutil
import subprocess
from base64 import b64decode, b64encode
from copy import deepcopy
from html import unescape
from html.parser import HTMLParser
from io import BytesIO
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from PIL import Image

from annealed.config.registry import METHODS
from annealed.utils.errors import UsageError
from annealed.utils.files import sha256
from reproduce.checklist.record import Record
from reproduce.results import published
from reproduce.site import __main__ as site, contents, page, pictures, plots, runs
from reproduce.site.prose import Prose

VOID = {"meta", "img", "line", "circle", "rect", "path", "polygon", "br", "hr"}
LOADS = {"src", "srcset", "data", "poster", "background", "action", "xlink:href"}


class Tree(HTMLParser):
    """Every element as [tag, attributes, text, ancestors]; fails where tags do not nest."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open = [], []
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        assert len(dict(attrs)) == len(attrs), (tag, attrs)
        one = [tag, dict(attrs), "", [other[0] for other in self.open]]
        self.elements.append(one)
        if tag not in VOID:
            self.open.append(one)

    def handle_startendtag(self, tag, attrs):
        assert tag in VOID, tag
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open[-1][0] == tag, (tag, self.getpos(), [o[0] for o in self.open])
            self.open.pop()

    def handle_data(self, data):
        for one in self.open:
            one[2] += data

    def all(self, *tags):
        return [one for one in self.elements if one[0] in tags]


@pytest.fixture(scope="module")
def text():
    return page.render(ROOT)


@pytest.fixture(scope="module")
def tree(text):
    return Tree(text)


@pytest.fixture
def small(tmp_path):
    """A repository with the table of one preset on one data set, and no figure."""
    ignored = shutil.ignore_patterns("*.png", "*.pdf", "pictures", "mnist_static*")
    for name in ("short", "results/short"):
        shutil.copytree(ROOT / "reports" / name, tmp_path / "reports" / name, ignore=ignored)
    return tmp_path


def test_the_page_is_a_function_of_the_reports(text):
    assert page.render(ROOT) == text
    assert len(text.encode()) < 3e6


def test_nothing_is_loaded_from_anywhere(tree, text):
    assert not tree.all("script", "link", "iframe", "object", "embed", "base", "form")
    for tag, attributes, *_ in tree.elements:
        for name in attributes.keys() & LOADS:
            assert attributes[name].startswith("data:image/webp;base64,"), (tag, name)
        assert not any(name.startswith("on") for name in attributes), tag
    for tag, _, style, _ in tree.all("style"):
        assert not re.search(r"url\(|@import", style), tag
    assert "default-src 'none'" in text


def test_every_anchor_and_every_file_that_is_linked_is_there(tree):
    ids = [one[1]["id"] for one in tree.elements if "id" in one[1]]
    assert len(ids) == len(set(ids))
    for one in tree.elements:
        for label in one[1].get("aria-labelledby", "").split():
            assert label in ids, label
    links = [one[1]["href"] for one in tree.all("a")]
    assert len(links) > 100
    for link in links:
        if link.startswith("#"):
            assert link[1:] in ids, link
        elif not link.startswith("https://"):
            assert (ROOT / "reports" / link.split("#")[0]).exists(), link


def test_it_can_be_read_without_seeing_it(tree):
    assert [one[0] for one in tree.all("html")] == ["html"]
    assert tree.all("html")[0][1]["lang"] == "en"
    images = tree.all("img")
    figures = {sha256(p.read_bytes()): p for p in (ROOT / "reports").rglob("*.png")}
    assert len({one[1]["data-of"] for one in images}) == len(images) >= 25
    for _, attributes, _, ancestors in images:
        assert attributes["alt"].strip()
        assert "figure" in ancestors
        content = Image.open(BytesIO(b64decode(attributes["src"].partition(",")[2])))
        assert content.size == (int(attributes["width"]), int(attributes["height"]))
        (path,) = [p for digest, p in figures.items() if digest.startswith(attributes["data-of"])]
        drawn = Image.open(path).convert("RGB")
        assert content.width == min(drawn.width, pictures.WIDEST)
        assert abs(content.height / content.width - drawn.height / drawn.width) < 1e-3
        apart = np.asarray(content, float) - np.asarray(drawn.resize(content.size))
        assert np.abs(apart).mean() < 10, path  # of 255: noise is blurred
    for _, attributes, content, _ in tree.all("svg"):
        named = attributes.get("role") == "img" and "aria-labelledby" in attributes
        assert named or attributes.get("aria-hidden") == "true"
        assert named == bool(content.strip())
    for _, attributes, content, _ in tree.all("th"):
        assert attributes["scope"] in ("col", "row")
        assert content.strip() or attributes["scope"] == "col"
    levels = [int(one[0][1]) for one in tree.all("h1", "h2", "h3", "h4", "h5", "h6")]
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(levels)), levels
    for _, _, content, _ in tree.all("details"):
        assert content.strip()


def test_colours_can_be_told_from_their_ground():
    style = (page.HERE / "page.css").read_text(encoding="utf-8")
    light, dark = (dict(re.findall(r"--([\w-]+): (#\w{6})", b)) for b in style.split("@media")[:2])
    assert light.keys() == dark.keys()

    def luminance(colour):
        rgb = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        return linear @ [0.2126, 0.7152, 0.0722]

    def contrast(a, b):  # WCAG 2.2, 1.4.3
        high, low = sorted((luminance(a), luminance(b)), reverse=True)
        return (high + 0.05) / (low + 0.05)

    for colours in (light, dark):
        for ground in ("paper", "card"):
            for name in ("ink", "soft", "link", "accent"):
                assert contrast(colours[name], colours[ground]) >= 4.5, (name, ground)
            for i in range(plots.COLOURS):
                assert contrast(colours[f"c{i}"], colours[ground]) >= 3, i
        for name in ("good", "bad", "flat"):
            assert contrast(colours[name], colours[f"{name}-back"]) >= 4.5, name


def test_the_table_and_the_pairs_are_those_of_the_csv(tree, small):
    table = pd.read_csv(ROOT / "reports" / "short" / "nll_table.csv")
    lines = [one[2].split("\n")[0] for one in tree.all("tr")]
    for r in table.itertuples():
        published = "-" if pd.isna(r.published) else f"{r.published:.2f}"
        (line,) = [x for x in lines if x.startswith(f"{r.label}{published}{r.nll:.2f}")]
        assert f"{r.ci_low:.2f} to {r.ci_high:.2f}" in line
        assert r.verdict in line
    pairs = pd.read_csv(ROOT / "reports" / "short" / "paired.csv")
    for r in pairs.itertuples():
        expected = f"{r.difference:+.3f}{r.t_low:+.3f} to {r.t_high:+.3f}"
        assert sum(expected in line for line in lines) == 1
    for r in pd.read_csv(ROOT / "reports" / "paper" / "paired.csv").query("seeds < 2").itertuples():
        assert sum(f"{r.difference:+.3f}one seed----one seed" in line for line in lines) == 1
    path = small / "reports" / "short" / "nll_table.csv"
    old = f"{table.nll[0]:.8g}"
    assert old in path.read_text(encoding="utf-8")
    path.write_text(path.read_text(encoding="utf-8").replace(old, "77.77"), encoding="utf-8")
    assert page.render(small).count("77.77") >= 3  # tile, figure, table


def test_every_committed_run_tells_where_it_comes_from(tree):
    links = {one[1]["href"]: one for one in tree.all("a")}
    results = Record(ROOT).finished
    lines = [one[2] for one in tree.all("tr")]
    codes = {one[1].get("title") for one in tree.all("code")}
    content = " ".join(one[2] for one in tree.all("dd"))
    assert results
    for path, result in results.items():
        assert path.removeprefix("reports/") in links
        assert {result["provenance"]["commit"], result["data_digest"]} <= codes
        assert runs.config_digest(result) in codes
        assert any(f"{result['nll']:.3f}" in line for line in lines)
        assert result["provenance"]["versions"]["torch"] in content
        assert result["provenance"]["device"] in content


def test_a_configuration_is_told_from_another_and_a_changed_tree_from_a_clean_one(small):
    result = deepcopy(next(iter(Record(small).results.values())))
    config = result["config"]
    same = {**result, "config": {**config, "seed": 7, "runs": "elsewhere"}}
    other = {**result, "config": {**config, "network": {**config["network"], "latent": 41}}}
    digests = [runs.config_digest(r) for r in (result, same, other)]
    assert digests[0] == digests[1] != digests[2]
    assert runs.line("reports/results/short/mnist.jsonl#vae/seed0", result)["clean"]
    result["training"]["sessions"][0]["commit"] += "-dirty"
    assert not runs.line("reports/results/short/mnist.jsonl#vae/seed0", result)["clean"]


def test_the_curves_are_the_mean_lowest_and_highest_seed(small):
    epochs, seeds = np.arange(1000), (0, 1, 2)
    parts = [
        pd.DataFrame({"row": "vae", "seed": s, "epoch": epochs, "v": -100 / (1 + epochs) + s})
        for s in seeds
    ]
    metrics = pd.concat([*parts[:2], parts[2][parts[2].epoch < 900]])  # one seed stopped early
    drawn = plots.curves(plots.bands(metrics, "v"), "V", {"vae": "VAE"})
    (one,) = drawn["series"]
    line = np.array([p.split(",") for p in one["line"].split()], float)
    band = np.array([p.split(",") for p in one["band"].split()], float)
    assert 100 <= len(line) <= plots.POINTS
    assert len(band) == 2 * len(line)
    late = np.array([float(label) for _, label in drawn["y"]])
    at = np.array([place for place, _ in drawn["y"]])
    slope, start = np.polyfit(at, late, 1)  # the axis, read from its ticks
    first = 105  # counted from 1: the first 100 are left out, and of 900 each fifth is drawn
    expected = [-100 / first + s for s in (1, 2, 0)]  # mean, highest, lowest of 0, 1, 2
    shown = [line[0, 1], band[0, 1], band[-1, 1]]
    np.testing.assert_allclose(np.array(shown) * slope + start, expected, atol=0.02)
    # the mean goes on over the two that are left
    assert (one["last"], one["epoch"]) == (f"{-100 / 1000 + 0.5:.2f}", 1000)


def test_no_two_lines_of_the_committed_table_look_alike():
    frame = pd.DataFrame({"mean": [1.0, 2.0], "min": [0.0, 1.0], "max": [2.0, 3.0]}, index=[1, 2])
    drawn = plots.curves({row: frame for row in METHODS}, "T", {})
    looks = {(one["colour"], one["dash"]) for one in drawn["series"]}
    assert len(looks) == len(METHODS)
    assert {dash for _, dash in looks} <= {0, 1, 2}  # the kinds that the templates name


def test_the_differences_are_means_with_their_intervals_after_the_first_epochs():
    epochs = np.arange(1, 101)
    frame = pd.DataFrame({"bound": 0.01 * epochs}, index=epochs)
    frame = frame.assign(bound_low=frame.bound - 0.5, bound_high=frame.bound + 0.25)
    frame["bound_seeds"] = np.where(epochs <= 90, 3, 2)  # one stopped early
    frame.loc[:15, "bound"] = np.nan
    (lines,) = plots.intervals({"HVI-AVO less HVI": frame}, "bound").values()
    assert lines.index[0] == 16
    assert lines.loc[50].tolist() == pytest.approx([0.5, 0.0, 0.75])
    assert lines.index[lines["min"].notna()].max() == 90  # where all seeds are in training
    drawn = plots.curves({"HVI-AVO less HVI": lines}, "T", {})
    (one,) = drawn["series"]
    assert (one["label"], one["last"], one["epoch"]) == ("HVI-AVO less HVI", "1.00", 100)
    assert len(one["line"].split()) == 85
    assert len(one["band"].split()) == 2 * 75
    assert plots.curves(plots.intervals({"x": frame.iloc[:10]}, "bound"), "T", {}) is None
    alone = frame.assign(bound_low=np.nan, bound_high=np.nan, bound_seeds=1)  # of one seed
    drawn = plots.curves(plots.intervals({"x": alone}, "bound"), "T", {})
    assert len(drawn["series"][0]["line"].split()) == 85
    assert drawn["series"][0]["band"] == ""


def test_the_forest_places_every_number_on_one_axis():
    table = pd.read_csv(ROOT / "reports" / "short" / "nll_table.csv")
    seeds = pd.read_csv(ROOT / "reports" / "short" / "nll_cells.csv")
    drawn = plots.forest(table, seeds, 0.3)
    at, values = zip(*[(x, float(label)) for x, label in drawn["ticks"]], strict=True)
    slope, start = np.polyfit(at, values, 1)
    assert len(drawn["lines"]) == len(table)
    for line, r in zip(drawn["lines"], table.itertuples(), strict=True):
        places, expected = [line["x"], line["left"], line["right"]], [r.nll, r.ci_low, r.ci_high]
        if pd.isna(r.published):
            assert "published" not in line
        else:
            places, expected = [*places, line["published"]], [*expected, r.published]
            assert line["width"] * slope == pytest.approx(0.6, abs=0.01)
        np.testing.assert_allclose(np.array(places) * slope + start, expected, atol=0.01)
        assert len(line["seeds"]) == r.seeds
    assert plots.forest(table.assign(seeds=0), seeds, 0.3) is None
    longest = max(len(row.get("label", "")) for row in published.read()["rows"].values())
    assert 8 * longest < drawn["label"]  # a letter is less than 8 wide


def test_axes_have_round_ticks_within_the_frame():
    for low, high in ((0.013, 0.0171), (-452.0, 17.0), (86.0, 86.4), (10, 1000)):
        ticks = plots.Axis(low, high, 0, 100).ticks()
        assert 2 <= len(ticks) <= 8
        assert all(low - 1e-9 <= float(label) <= high + 1e-9 for _, label in ticks)
        places = [place for place, _ in ticks]
        share = (np.array([float(label) for _, label in ticks]) - low) / (high - low)
        np.testing.assert_allclose(places, 100 * share, atol=0.06)


HOSTILE = """# T

<script>alert(1)</script> [x](javascript:alert(1)) ![y](https://example.org/a.png) **b**

## <img src=x onerror=alert(1)>

| a"<b> | n |
| --- | ---: |
| [in](index.md) | 1 |
"""


def test_markdown_is_never_markup_of_its_own(tmp_path):
    path = tmp_path / "evil" / "index.md"
    path.parent.mkdir()
    path.write_text(HOSTILE, encoding="utf-8")
    shown = {"evil/index.md": "#evil"}
    (_, head, _), (heading, rest, pictured) = Prose(tmp_path, path, "evil", shown).sections()
    tree = Tree(f"<body>{head}{rest}</body>")
    assert not pictured
    assert not tree.all("script", "img", "b")
    assert heading == "<img src=x onerror=alert(1)>"
    assert [one[1]["href"] for one in tree.all("a")] == ["#evil"]
    assert [one[2] for one in tree.all("th")] == ['a"<b>', "n"]
    assert tree.all("strong")


def test_a_row_called_as_markup_is_text(small):
    for name in ("nll_table.csv", "nll_cells.csv"):
        path = small / "reports" / "short" / name
        path.write_text(
            path.read_text(encoding="utf-8").replace("HVI-AVO", "<b>&"), encoding="utf-8"
        )
    tree = Tree(page.render(small))
    assert not tree.all("b")
    assert any(one[2].startswith("<b>&") for one in tree.all("tr"))


def test_pages_and_tables_are_found_by_looking(small):
    reports = small / "reports"
    for name in ("zebra/index.md", "toy/index.md", "benchmark.md", "quick/index.md", "findings.md"):
        (reports / name).parent.mkdir(exist_ok=True)
        (reports / name).write_text(f"# The {name}\n\nText.\n", encoding="utf-8")
    assert [one.name for one in contents.pages(small)] == ["toy", "zebra", "benchmark"]
    for name in ("paper", "paper/digits", "quick"):
        shutil.copytree(reports / "short", reports / name, dirs_exist_ok=True)
    places = [one.relative_to(reports).as_posix() for one in contents.tables(small)]
    assert places == ["paper", "paper/digits", "short"]
    tree = Tree(page.render(small))
    assert "The zebra/index.md" in [one[2] for one in tree.all("h2")]
    assert tree.all("a")[1][1]["href"].startswith("https://arxiv.org/")


def test_what_cannot_be_shown_is_one_sentence(small, tmp_path, monkeypatch):
    (small / "reports" / "toy").mkdir()
    (small / "reports" / "toy" / "index.md").write_text("# T\n\n![a](a.png)\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"toy/a\.png is not a PNG.*make its report again"):
        page.render(small)
    shutil.rmtree(small / "reports" / "toy")
    monkeypatch.setattr(page, "LIMIT", 0.001)
    with pytest.raises(UsageError, match=r"would be 0\.\d MB; accepted: 0\.001"):
        page.render(small)
    (small / "reports" / "short" / "nll_cells.csv").unlink()
    with pytest.raises(UsageError, match=r"nll_cells\.csv is not there; make its report again"):
        page.render(small)
    with pytest.raises(UsageError, match="has no NLL table to show"):
        page.render(tmp_path / "nothing")


def test_a_page_is_the_same_by_its_text_and_by_what_its_pictures_show(tmp_path):
    colours = np.random.default_rng(0).integers(256, size=(40, 60, 3), dtype=np.uint8)

    def shown(pixels, **options):
        content = BytesIO()
        Image.fromarray(pixels).save(content, "WEBP", **options)
        return f'<img src="data:image/webp;base64,{b64encode(content.getvalue()).decode()}"> 1.5'

    smooth = np.repeat(np.repeat(colours[::20, ::20], 20, 0), 20, 1)
    one, again = shown(smooth, quality=75, method=4), shown(smooth, quality=75, method=1)
    assert one != again
    assert pictures.same_page(one, again)
    assert not pictures.same_page(one, one.replace("1.5", "1.6"))
    assert not pictures.same_page(one, shown(colours, quality=75))
    assert not pictures.same_page(one, shown(smooth[:20], quality=75))
    assert not pictures.same_page(one, one.replace("base64,U", "base64,V"))


@pytest.mark.parametrize(("size", "shown"), [((1980, 60), (1320, 40)), ((1320, 60), (1320, 60))])
def test_a_picture_wider_than_the_page_needs_is_made_smaller(size, shown):
    png = BytesIO()
    Image.linear_gradient("L").resize(size).save(png, "PNG")
    _, data = pictures.data_uri(png.getvalue()).split(",")
    assert Image.open(BytesIO(b64decode(data))).size == shown


def test_a_report_of_a_smoke_run_alone_leaves_the_page_out(small, monkeypatch, capsys):
    (small / "reports" / "short").rename(small / "reports" / "quick")
    monkeypatch.chdir(small)
    monkeypatch.setattr("sys.argv", ["reproduce.site"])
    with pytest.raises(UsageError, match="has no NLL table to show"):
        site.main()
    monkeypatch.setattr("sys.argv", ["reproduce.site", "--if-any"])
    site.main()
    assert "no page" in capsys.readouterr().out
    assert not (small / page.PAGE).exists()
    (small / "reports" / "quick").rename(small / "reports" / "short")
    site.main()
    assert (small / page.PAGE).is_file()


WATCH = """<script>
addEventListener("load", () => {
  const seen = {width: innerWidth, dark: matchMedia("(prefers-color-scheme: dark)").matches};
  seen.wide = document.documentElement.scrollWidth;
  seen.images = [...document.images].map(i => i.complete && i.naturalWidth > 0);
  seen.requests = performance.getEntriesByType("resource").filter(r => !r.name.startsWith("data:"))
    .map(r => r.name);
  parent.postMessage(JSON.stringify(seen), "*");
});
</script></body>"""
FRAME = """<!DOCTYPE html><meta name="color-scheme" content="light dark"><script>
addEventListener("message", e => document.documentElement.setAttribute("seen", e.data));
</script><iframe src="page.html" width="WIDTH" height="900" style="border: 0"></iframe>"""


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_a_browser_shows_it(text, tmp_path, width, scheme):
    names = ("chromium", "chromium-browser", "google-chrome")
    browser = next(filter(None, map(shutil.which, names)), None)
    if browser is None:
        pytest.skip("no browser: none of chromium, chromium-browser, google-chrome is on PATH")
    watched = text.replace("default-src 'none'", "default-src 'none'; script-src 'unsafe-inline'")
    (tmp_path / "page.html").write_text(watched.replace("</body>", WATCH), encoding="utf-8")
    (tmp_path / "frame.html").write_text(
        FRAME.replace("WIDTH", str(width)), encoding="utf-8"
    )  # no window is narrow
    shot = tmp_path / "shot.png"
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"]
    options += [f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=5000"]
    options += [f"--window-size={width},1200", "--hide-scrollbars"]
    options += ["--force-dark-mode"] * (scheme == "dark")
    jobs = {"frame.html": "--dump-dom", "page.html": f"--screenshot={shot}"}
    ran = [
        subprocess.run(
            [browser, *options, what, (tmp_path / name).as_uri()],
            capture_output=True,
            encoding="utf-8",
        )
        for name, what in jobs.items()
    ]
    dom, errors = ran[0].stdout, ran[0].stderr + ran[1].stderr
    assert "CONSOLE" not in errors, errors
    report = json.loads(unescape(re.search(r'seen="(.+?)"', dom)[1]))
    assert report["width"] == width
    assert report["dark"] == (scheme == "dark")
    assert report["wide"] <= width  # nothing but tables is scrolled sideways
    assert len(report["images"]) == text.count("<img ")
    assert all(report["images"])
    assert report["requests"] == []
    pixels = np.asarray(Image.open(shot).convert("L"), dtype=float)
    assert pixels.std() > 10
    assert (np.median(pixels) < 60) == (scheme == "dark")
