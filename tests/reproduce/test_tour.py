"""The tour: its code runs, at smaller sizes, and what is committed is a whole run of it."""

import base64
import json
import math
import re

import matplotlib
import pytest
import torch
from conftest import ROOT
from matplotlib import pyplot as plt

TOUR = ROOT / "reproduce/tour.ipynb"
SMALL = "STEPS, SEEDS, DIGIT_STEPS = 150, [1], 20"
PNG = b"\x89PNG\r\n"


def code_cells() -> list[dict]:
    cells = json.loads(TOUR.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def printed(cells: list[dict]) -> str:
    outputs = [output for cell in cells for output in cell["outputs"]]
    return "".join("".join(o["text"]) for o in outputs if o["output_type"] == "stream")


def pictures(cells: list[dict]) -> list[bytes]:
    data = [output.get("data", {}) for cell in cells for output in cell["outputs"]]
    return [base64.b64decode(d["image/png"]) for d in data if "image/png" in d]


@pytest.fixture(scope="module")
def tour():
    """The names that the notebook defines, and the number of pictures that it shows."""
    names, shown, threads, show = {"__name__": "tour"}, [], torch.get_num_threads(), plt.show
    backend = matplotlib.get_backend()
    plt.switch_backend("Agg")
    plt.close("all")  # what other tests have left open
    plt.show = lambda: (shown.extend(plt.get_fignums()), plt.close("all"))
    try:
        with plt.rc_context(), torch.random.fork_rng():
            for number, cell in enumerate(code_cells()):
                source = "".join(cell["source"])
                exec(compile(source, f"tour.ipynb, code cell {number}", "exec"), names)
                if "parameters" in cell["metadata"].get("tags", []):
                    exec(SMALL, names)
    finally:
        plt.close("all")
        plt.show = show
        plt.switch_backend(backend)
        torch.set_num_threads(threads)
    assert names["STEPS"] == 150, "no cell of sizes is tagged `parameters`"
    return names, len(shown)


def test_avo_estimates_log_z_of_the_energy_within_five_errors(tour):
    names, _ = tour
    estimate = names["estimates"]["AVO"]
    miss = estimate.log_prob.item() - math.log(2 * math.pi)
    assert abs(miss) < 5 * estimate.std_error.item()
    assert estimate.elbo.item() < math.log(2 * math.pi)


def test_every_path_is_drawn_from_start_to_end_and_its_masses_sum_to_one(tour):
    names, _ = tour
    for posterior in (names["by_elbo"], names["by_avo"]):
        points = names["draw_path"](posterior, 1000)
        assert [tuple(z.shape) for z in points] == [(1000, 2)] * (names["T"] + 1)
        assert names["masses"](points[-1]).sum().item() == pytest.approx(1.0)


def test_log_marginal_is_above_the_bound_and_a_narrow_proposal_has_the_higher_k_hat(tour):
    names, _ = tour
    for model, posterior in names["vaes"].values():
        e = names["al"].log_marginal(model, posterior, names["x_test"][:20], 8, 100, 0)
        assert (e.log_prob > e.elbo).all()
    stream = names["e"]
    assert stream.k_hat[0] < 0.7 < stream.k_hat[-1]
    assert abs(stream.log_prob[0] - names["true"]) < 5 * stream.std_error[0]


def test_every_code_cell_was_run_in_order_and_said_nothing_but_its_results(tour):
    cells = code_cells()
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    for cell in cells:
        source = "".join(cell["source"])
        assert bool(cell["outputs"]) == ("plt.show()" in source or "print(" in source)
        for output in cell["outputs"]:
            assert output["output_type"] in ("stream", "display_data")
            assert output.get("name", "stdout") == "stdout"
    _, shown = tour
    images = pictures(cells)
    assert len(images) == shown > 0
    assert all(image.startswith(PNG) and len(image) > 5000 for image in images)


def test_the_committed_numbers_are_those_of_a_whole_run():
    text = printed(code_cells())
    avo = re.search(r"^AVO +[\d.]+ +([\d.]+) \+- ([\d.]+) .*? ((?:\d\.\d\d ){4})", text, re.M)
    log_z, error = float(avo[1]), float(avo[2])
    assert abs(log_z - math.log(2 * math.pi)) < 5 * error
    assert sum(map(float, avo[3].split())) == pytest.approx(1.0, abs=0.03)
    for seed in (1, 2, 3):
        assert re.search(rf"^AVO, ELBO {seed} ", text, re.M)
    assert "nan" not in text


def test_it_is_small_and_names_no_folder_of_the_machine_that_ran_it():
    text = TOUR.read_text(encoding="utf-8")
    assert len(text) < 1_200_000
    readable = re.sub(r'"image/png": "[^"]*"', "", text)
    assert not re.search(
        r"(?:^|[\s\"'(])(?:/(?:home|root|tmp|Users|usr|work)/|[A-Z]:\\\\)", readable
    )
    assert "Warning" not in readable


def test_every_link_of_the_tour_is_there():
    text = TOUR.read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!http)([^)#\s]+)\)", text)
    assert links
    for link in links:
        assert (TOUR.parent / link).exists(), link
