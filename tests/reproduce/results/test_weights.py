"""The committed weights: they are those of the committed results."""

import pytest
import torch
from conftest import ROOT, mnist_folder

from annealed.evaluation.result import RESULT, place, read_result
from annealed.evaluation.score import score_images
from annealed.runs.load import configured, trained
from reproduce.results.scored import AGAIN
from reproduce.results.store import RESULTS, committed_results

WEIGHTS = ROOT / "reports" / "weights"
FOLDERS = sorted(path.parent for path in WEIGHTS.glob("**/best.ckpt"))


def committed(folder):
    """The committed result of the run in `folder`."""
    wanted = place(read_result(folder / RESULT))
    runs = committed_results(*wanted.parts[:2], ROOT / RESULTS)
    (one,) = (run for run in runs if place(run.read()) == wanted)
    return one


def test_weights_are_kept_of_the_rows_that_the_question_is_about():
    rows = {folder.parent.name for folder in FOLDERS}
    assert {"vae", "hvi", "hvi_avo"} <= rows


@pytest.mark.parametrize("folder", FOLDERS, ids=str)
def test_committed_weights_are_of_a_committed_result(folder):
    here, there = read_result(folder / RESULT), committed(folder).read()
    assert folder.relative_to(WEIGHTS) == place(here)
    assert here["data_digest"] == there["data_digest"]
    assert here["nll"] == pytest.approx(there["nll"], abs=AGAIN)


@pytest.mark.parametrize("folder", FOLDERS, ids=str)
def test_committed_weights_give_the_committed_log_p_of_test_images(folder):
    config = configured(folder, [f"data.root={mnist_folder()}", "trainer.products=torch"])
    method, problem = trained(folder, config, torch.device("cpu"))
    images = problem.held_out[: config.evaluate.batch_size]
    with torch.no_grad():
        again = score_images(method, images, config, report=lambda done: None).log_prob
    there = committed(folder).log_prob()[: len(images)]
    assert again.mean() == pytest.approx(there.mean(), abs=AGAIN)
    assert again.numpy() == pytest.approx(there, abs=0.1)  # AGAIN is the whole set's
