import json

import numpy as np
import pytest

from annealed.evaluation.annealed_options import AnnealedScoreOptions
from annealed.evaluation.annealed_summary import (
    bdmc_summary,
    beside_importance,
    importance_sampled,
    read_annealed,
    summary,
)
from annealed.evaluation.batch_file import BatchFile
from annealed.utils.errors import Diverged, UsageError

ANNEALED = np.array([-80.0, -90.0, -100.0])
WEIGHTED = np.array([-81.0, -90.5, -103.0, -70.0])


def by_image(log_prob=ANNEALED):
    """The numbers of a few images."""
    ones = np.ones_like(log_prob)
    return {
        "log_prob": log_prob,
        "elbo": log_prob - 0.5,
        "std_error": 0.3 * ones,
        "ess": 12 * ones,
        "acceptance": np.linspace(0.5, 0.7, len(ones)),
    }


def importance_run(folder, **values):
    """A run folder with an importance-sampled result of four images."""
    result = {"status": "finished", "split": "test", "data_digest": "d", "samples": 500}
    result |= {"nll": -WEIGHTED.mean(), **values}
    (folder / "result.json").write_text(json.dumps(result), encoding="utf-8")
    np.savez(folder / "result.npz", log_prob=WEIGHTED)
    return folder


def test_numbers_are_means_over_images_with_their_errors():
    numbers = summary(by_image())
    assert numbers["nll"] == 90.0
    assert numbers["nll_mean_log_weight"] == 90.5
    assert numbers["nll_mc_error"] == pytest.approx(0.3 / 3**0.5)
    assert numbers["nll_test_error"] == pytest.approx(10 / 3**0.5)
    assert (numbers["acceptance_mean"], numbers["acceptance_min"]) == (pytest.approx(0.6), 0.5)
    assert numbers["test_images"] == 3


def test_what_one_image_has_no_error_of_is_null():
    numbers = summary(by_image(ANNEALED[:1]))
    assert numbers["nll_test_error"] is None
    assert numbers["nll"] == 80.0


def test_an_nll_that_is_not_finite_is_no_result():
    with pytest.raises(Diverged, match="the annealed test log-likelihood is not finite"):
        summary(by_image(np.array([-80.0, -np.inf])))


def test_the_gap_of_simulated_images_is_that_of_their_bounds():
    lower = np.array([-80.0, -90.0])
    numbers = bdmc_summary({"lower": lower, "upper": lower + np.array([0.1, 0.3])})
    assert numbers["gap"] == pytest.approx(0.2)
    assert numbers["gap_error"] == pytest.approx(0.1)
    assert numbers["gap_max"] == pytest.approx(0.3)
    assert numbers["images"] == 2


def test_the_importance_sampled_nll_beside_it_is_of_the_same_images(tmp_path):
    weighted, samples = importance_sampled(importance_run(tmp_path), "test", "d")
    numbers = beside_importance(ANNEALED, weighted, samples)
    assert numbers["nll"] == pytest.approx(-WEIGHTED[:3].mean())
    assert numbers["gap"] == pytest.approx(1.5)
    assert numbers["gap_error"] == pytest.approx(np.std([1.0, 0.5, 3.0], ddof=1) / 3**0.5)
    assert (numbers["gap_max"], numbers["samples"]) == (3.0, 500)


@pytest.mark.parametrize(
    "other", [{"split": "validation"}, {"data_digest": "e"}, {"status": "diverged"}]
)
def test_a_result_of_other_images_is_not_put_beside_it(tmp_path, other):
    assert importance_sampled(tmp_path, "test", "d") is None
    assert importance_sampled(importance_run(tmp_path, **other), "test", "d") is None


def test_a_result_and_arrays_of_different_scorings_are_not_put_beside_it(tmp_path):
    run = importance_run(tmp_path, nll=86.0)
    with pytest.raises(UsageError, match=r"result\.npz are of different scorings; score the run"):
        importance_sampled(run, "test", "d")


def test_a_result_and_arrays_of_different_images_are_refused(tmp_path):
    path = tmp_path / "evaluation_ais_C16_T500.json"
    result = {"status": "finished", "estimator": "ais", "test_images": 3}
    path.write_text(json.dumps(result), encoding="utf-8")
    with pytest.raises(UsageError, match=r"T500\.npz is not readable; score the run again\.$"):
        read_annealed(path)
    np.savez(path.with_suffix(".npz"), **by_image())
    assert read_annealed(path)[1]["log_prob"].tolist() == ANNEALED.tolist()
    np.savez(path.with_suffix(".npz"), **by_image(ANNEALED[:2]))
    with pytest.raises(UsageError, match="are of different images; score again"):
        read_annealed(path)


def test_batches_are_read_back_as_they_were_added(tmp_path):
    path = tmp_path / "x.batches.npz"
    file = BatchFile(path, {"seed": 1})
    assert file.count("image") == 0
    assert not path.exists()
    file.add("image", {"a": np.array([1.0, 2.0])})
    file.add("image", {"a": np.array([3.0])})
    file.add("model", {"b": np.array([4.0])})
    again = BatchFile(path, {"seed": 1})
    assert (again.count("image"), again.count("model")) == (3, 1)
    assert again.of("image")["a"].tolist() == [1.0, 2.0, 3.0]
    with pytest.raises(UsageError, match=r"scoring with seed 1 \(now 2\); ask for that, remove"):
        BatchFile(path, {"seed": 2})
    again.remove()
    assert not path.exists()


def test_options_are_named_flat_and_the_file_by_their_size():
    options = AnnealedScoreOptions.of(chains=4, temperatures=7, start="prior", images=3)
    assert options.name == "evaluation_ais_C4_T7.json"
    assert AnnealedScoreOptions.of(**options.to_dict()) == options
    with pytest.raises(ValueError, match=r"^start is 'q'; accepted: posterior, prior$"):
        AnnealedScoreOptions.of(start="q")
