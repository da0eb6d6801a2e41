"""What the benchmark compares is the same work; no test here times anything."""

import math
import sys
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from annealed import config as configuration
from annealed.config.registry import method_class
from annealed.inference.importance import log_marginal
from annealed.inference.objectives import log_weight
from annealed.inference.tempering import AnnealingOptions
from annealed.utils.errors import UsageError
from reproduce.benchmark import (
    __main__ as benchmark,
    annealed_cases,
    bare,
    estimators,
    plain,
    products,
)
from reproduce.benchmark.measurements import Budget, Measurement, measurements, merged, read, write
from reproduce.results import timing

REPORTS = Path(__file__).parents[3] / "reports"


@pytest.fixture(scope="module")
def both():
    """The row `vae` and a bare model of the same weights, and ten binary images."""
    method = method_class("vae")(configuration.load("vae", []), 784)
    model = bare.BareVAE()
    pairs = [
        (model.encoder[0], method.posterior.encoder[0].linear),
        (model.encoder[1], method.posterior.encoder[1].linear),
        (model.head, method.posterior.head.linear),
        (model.decoder[0], method.target.decoder[0][0].linear),
        (model.decoder[1], method.target.decoder[0][1].linear),
        (model.out, method.target.decoder[1]),
    ]
    for of_bare, of_package in pairs:
        of_bare.load_state_dict(of_package.state_dict())
    g = torch.Generator().manual_seed(0)
    return method.double(), model.double(), torch.randint(0, 2, (10, 784), generator=g).double()


def test_the_bare_loop_is_the_same_model(both):
    method, model, x = both
    assert sum(p.numel() for p in model.parameters()) == sum(p.numel() for p in method.parameters())
    torch.manual_seed(0)
    estimate = log_marginal(method.target, method.posterior, x, 40, 400, seed=0)
    torch.testing.assert_close(bare.score(model, x, 400, 100), estimate.log_prob, rtol=0, atol=2.0)
    noise = torch.randn(1, 10, 40, dtype=torch.float64)
    of_package = log_weight(method.target, x, method.posterior(x, noise[None]))
    of_bare = model.log_weight(x, *model.encode(x), noise)
    torch.testing.assert_close(of_package, of_bare, rtol=0, atol=1e-3)  # a scale is 1e-6 or more


def test_a_bare_training_step_has_the_packages_gradient(both):
    method, model, _ = both
    grey = torch.full((10, 784), 255, dtype=torch.uint8)  # binarised, it is all ones
    noise = torch.randn(1, 1, 10, 40, dtype=torch.float64)
    one = torch.ones(())
    loss, _ = method(grey, torch.zeros(10, 784), noise, 0.0, one, one)
    loss.backward()
    x = torch.ones(10, 784, dtype=torch.float64)
    (-model.log_weight(x, *model.encode(x), noise[0, 0]).mean()).backward()
    of_bare, of_package = model.out.weight.grad, method.target.decoder[1].weight.grad
    torch.testing.assert_close(of_bare, of_package, rtol=0, atol=1e-4)


def test_the_products_are_those_of_every_linear_layer(both):
    _, model, _ = both
    shapes = [tuple(p.shape) for p in model.parameters() if p.dim() == 2]
    encoder, decoder = products.layers()
    assert sorted((b, a) for a, b in encoder + decoder) == sorted(shapes)


class Multiplications(TorchDispatchMode):
    """Counts the products of matrices, by their shapes."""

    def __init__(self):
        super().__init__()
        self.shapes = Counter()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function.overloadpacket.__name__ in ("mm", "bmm", "addmm"):
            a, b = args[-2:]
            self.shapes[(math.prod(a.shape[:-1]), *b.shape[-2:])] += 1
        return function(*args, **(kwargs or {}))


def test_the_products_of_annealing_are_those_that_its_transitions_compute():
    (method,) = annealed_cases.methods("vae", 1, 784, torch.device("cpu"))
    taken = []
    for transitions in (1, 3):  # the difference leaves out what is computed at the start
        x = torch.zeros(2, 784)
        case = annealed_cases.Annealed(method, x, AnnealingOptions(16, transitions + 1, 4))
        with Multiplications() as counter:
            case()
        taken.append(counter.shapes)
    with Multiplications() as counter:
        products.annealing(2, 4, 16 * 2, torch.device("cpu"))()
    assert counter.shapes == taken[1] - taken[0]
    assert counter.shapes.total() == 2 * 4 * 6


def test_the_nats_that_an_estimator_gains_are_those_of_the_same_images(monkeypatch):
    monkeypatch.setattr(estimators, "seconds", lambda case: case() or 2.0)
    monkeypatch.setattr(estimators, "by_cpu", lambda case: case)
    first, second = torch.tensor([-9.0, -5.0, -4.0]), torch.tensor([-8.0, -5.0, -2.0])
    a, b = estimators.compared("s", {"a": lambda: first, "b": lambda: second})
    assert (a.nll, b.nll, b.gained) == (6.0, 5.0, 1.0)
    assert (a.gained, a.gained_error, a.gained_a_second) == (None, None, None)
    assert b.gained_error == pytest.approx((1 / 3) ** 0.5)  # of 1, 0 and 2
    assert b.gained_a_second == pytest.approx(1.0 / (2.0 / 3))


def test_both_estimators_score_the_images_of_a_model_that_was_trained(monkeypatch):
    monkeypatch.setattr(estimators, "choose_data", lambda *_: ("digits", ""))
    small = {"images": 5, "samples": (10, 1000), "sizes": ((4, 20),), "fast": False}
    size = Budget(1, 1000, 20, torch.device("cpu"), None)
    short, longer = (estimators.estimators(size, epochs, **small) for epochs in (1, 12))
    assert [line.case for line in short[:3]] == [line.case for line in short[3:]]
    assert {line.section for line in longer} == {
        f"log p(x) of 5 images, {name} after 12 epochs of digits" for name in ("VAE", "HVI")
    }
    for first, many, annealed in (longer[:3], longer[3:]):
        assert many.nll == pytest.approx(first.nll - many.gained)
        assert annealed.nll == pytest.approx(many.nll, abs=1.0)
    assert all(b.nll < a.nll - 5 for a, b in zip(short, longer, strict=True))


def test_a_plain_lightning_run_trains_every_seed_once_over(monkeypatch):
    seen = []
    step = plain.Plain.training_step

    def counted(self, batch, index):
        seen.append((self.method.config.seed, len(batch[0])))
        loss = step(self, batch, index)
        assert loss.isfinite()
        return loss

    monkeypatch.setattr(plain.Plain, "training_step", counted)
    train = torch.full((250, 784), 128, dtype=torch.uint8)
    plain.in_sequence("hvi_avo", train, torch.device("cpu"), 2)()
    assert seen == [(seed, batch) for seed in (0, 1) for batch in (100, 100, 50)]


def test_the_papers_length_follows_from_the_rates():
    def line(section, case, microseconds):
        return Measurement(section, case, "image", microseconds, case, 1.0)

    measured = [
        line("five seeds, hvi_avo", "ours, 5 seeds, compiled", 3.6),
        line("scoring, HVI", "HVI, compiled", 1.2),
    ]
    text = " ".join(benchmark.outlook(measured))
    assert "side by side take 1.25 hours for 5000 epochs" in text
    assert "S = 5000 takes 1 minutes" in text
    assert "scoring" not in " ".join(benchmark.outlook(measured[:1]))
    assert benchmark.outlook([line("toy model", "a", 1.0)]) == []


def test_cases_take_turns_and_the_first_turn_does_not_count():
    seen = []

    def case(name, spent):
        def run():
            seen.append(name)
            return spent.pop(0)

        return run

    cases = {"a": case("a", [9.0, 1.0, 5.0, 2.0]), "b": case("b", [9.0, 4.0, 4.0, 6.0])}
    assert timing.interleaved(cases, 3) == {"a": 2.0, "b": 4.0}
    assert seen == ["a", "b"] * 4


def test_a_line_is_a_time_an_item_and_a_ratio():
    a, b = measurements("s", "image", {"a": 2.0, "b": 3.0}, {"a": 10, "b": 30}, "a")
    assert (a.microseconds, a.ratio) == (2e5, 1.0)
    assert (b.microseconds, b.ratio) == (1e5, 0.5)


def test_avo_stage_by_stage_needs_less_memory_than_all_at_once():
    whole, stages = (
        timing.in_fresh_process("reproduce.benchmark.memory", "hvi_avo", "16", how)
        for how in ("whole", "stagewise")
    )
    assert stages["megabytes"] < 0.5 * whole["megabytes"]


def test_a_process_that_fails_says_why():
    with pytest.raises(UsageError, match="memory frog 1 - failed"):
        timing.in_fresh_process("reproduce.benchmark.memory", "frog", "1", "-")


def test_the_page_has_a_table_a_section_and_names_its_machine(tmp_path, monkeypatch, capsys):
    def quick(size):
        return measurements("first", "image", {"a": 1.0, "b": 2.0}, {"a": 1, "b": 1}, "a")

    def deep(size):
        measured = Measurement("second", "T = 1", "step", 5.0, "T = 1", 1.0, megabytes=12.0)
        return [measured]

    monkeypatch.setattr(benchmark, "SECTIONS", (quick, deep))
    command = ["x", "--rounds", "1", "--no-peers", "--folder", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", command)
    benchmark.main()
    text = (tmp_path / "benchmark.md").read_text(encoding="utf-8")
    assert "| b | 2e+06 | 2.00 |" in text
    assert "| T = 1 | 5 | 1.00 | 12 |" in text
    assert "commit" in text
    assert len(pd.read_csv(tmp_path / "benchmark.csv")) == 3


def test_a_section_measured_alone_leaves_the_others_as_they_were(tmp_path, monkeypatch):
    spent = {"a": 1.0}

    def first(size):
        return measurements("first", "image", spent, {"a": 1}, "a")

    def second(size):
        return [Measurement("second", "b", "step", 5.0, "b", 1.0, nll=90.25, gained=-1.0)]

    monkeypatch.setattr(benchmark, "SECTIONS", (first, second))
    monkeypatch.setattr(benchmark, "measured_by", lambda *_: f"machine {spent['a']}")
    command = ["x", "--no-peers", "--folder", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", command)
    benchmark.main()
    text = (tmp_path / "benchmark.md").read_text(encoding="utf-8")
    assert "- machine 1.0: all\n" in text
    assert "| b | 5 | 1.00 | 90.25 | -1.00 |" in text
    spent["a"] = 2.0
    monkeypatch.setattr(sys, "argv", [*command, "--sections", "first"])
    benchmark.main()
    lines = read(tmp_path / "benchmark.csv")
    assert [(line.section, line.microseconds, line.measured) for line in lines] == [
        ("first", 2e6, "machine 2.0"),
        ("second", 5.0, "machine 1.0"),
    ]
    text = (tmp_path / "benchmark.md").read_text(encoding="utf-8")
    assert "- machine 2.0: first\n- machine 1.0: second\n" in text


def test_rows_are_those_that_the_command_line_names(tmp_path, monkeypatch):
    asked = []

    def only(size):
        asked.append(size.rows)
        return [Measurement("only", "a", "image", 1.0, "a", 1.0)]

    monkeypatch.setattr(benchmark, "SECTIONS", (only,))
    monkeypatch.setattr(benchmark, "measured_by", lambda *_: "machine")
    for rows in ([], ["--rows", "hvi_avo"]):
        monkeypatch.setattr(sys, "argv", ["x", "--no-peers", "--folder", str(tmp_path), *rows])
        benchmark.main()
    assert asked == [("vae", "hvi_avo"), ("hvi_avo",)]


def test_the_rows_that_are_not_measured_again_stay_in_the_file(tmp_path, monkeypatch):
    def each(size):
        return [Measurement(f"seeds, {row}", "a", "image", 1.0, "a", 1.0) for row in size.rows]

    monkeypatch.setattr(benchmark, "SECTIONS", (each,))
    monkeypatch.setattr(benchmark, "measured_by", lambda *_: "machine")
    for rows in ("vae,hvi_avo", "hvi_avo"):
        monkeypatch.setattr(
            sys, "argv", ["x", "--no-peers", "--folder", str(tmp_path), "--rows", rows]
        )
        benchmark.main()
    kept = [line.section for line in read(tmp_path / "benchmark.csv")]
    assert kept == ["seeds, vae", "seeds, hvi_avo"]


def test_lines_come_back_from_their_file_as_they_were(tmp_path):
    lines = [
        Measurement("a, b", "c", "image", 0.1 + 0.2, "c", 1.0, measured="machine, with commas"),
        Measurement("d", "NA", "image", 1e-7, "NA", 1.0, megabytes=3.5, measured="x"),
    ]
    assert read(tmp_path / "benchmark.csv") == []
    write(tmp_path / "benchmark.csv", lines)
    assert read(tmp_path / "benchmark.csv") == lines
    assert merged(lines, lines[:1]) == lines


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no CSV"),
        (b"\xff", "is no CSV"),
        (b"section,case\n", "has the columns section,"),
    ],
)
def test_a_file_of_other_lines_is_refused_before_anything_is_measured(
    tmp_path, monkeypatch, content, message
):
    monkeypatch.setattr(benchmark, "SECTIONS", (lambda size: pytest.fail("measured"),))
    (tmp_path / "benchmark.csv").write_bytes(content)
    command = ["x", "--no-peers", "--folder", str(tmp_path), "--sections", "<lambda>"]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(UsageError, match=message):
        benchmark.main()
    assert (tmp_path / "benchmark.csv").read_bytes() == content


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (["--sections", "frog"], "--sections names 'frog'; accepted: training"),
        (["--rows", "vae,iaf"], "--rows names 'iaf'; accepted: vae, hvi_avo"),
        (["--rounds", "0"], "--rounds is 0; accepted: 1 or more"),
        (["--images", "1500"], "--images is 1500; accepted: a multiple of 1000"),
    ],
)
def test_usage_errors_are_one_sentence(monkeypatch, wrong, message):
    monkeypatch.setattr(sys, "argv", ["x", *wrong])
    with pytest.raises(UsageError, match=message):
        benchmark.main()


def test_what_is_said_of_seeds_side_by_side_on_a_gpu_is_what_its_file_says():
    lines = {line.case: line for line in read(REPORTS / "benchmark_h200.csv")}
    text = " ".join(benchmark.HISTORY.read_text(encoding="utf-8").split())
    for line in lines.values():
        each = f"{line.microseconds:{'.2f' if line.microseconds < 10 else '.1f'}}"
        assert f"| {each} | {line.ratio:{'.3f' if line.ratio < 0.1 else '.2f'}} |" in text
    one, five = (lines[f"ours, {n}, compiled"] for n in ("1 seed", "5 seeds"))
    assert f"{1 / five.ratio:.1f} times as fast as plain Lightning" in text
    assert f"take {5 * five.microseconds / one.microseconds:.2f} times what one seed does" in text
