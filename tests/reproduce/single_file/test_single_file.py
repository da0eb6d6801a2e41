"""reproduce/single_file/hvi_avo.py gives the numbers of the package's row hvi_avo."""

import importlib.util
import re
import struct
import sys

import pytest
import torch
from conftest import ROOT

from annealed import config
from annealed.config.registry import method_class
from annealed.inference import schedules
from annealed.inference.importance import SAMPLE_BLOCK, log_marginal
from annealed.utils import randomness

PATH = ROOT / "reproduce" / "single_file" / "hvi_avo.py"
BATCH = 7
NAMES = {  # of modules: in the single file, in the package
    "decoder.0": "target.decoder.0.0.linear",
    "decoder.2": "target.decoder.0.1.linear",
    "decoder.4": "target.decoder.1",
    "encoder.0": "posterior.encoder.0.linear",
    "encoder.2": "posterior.encoder.1.linear",
    "q0": "posterior.head.linear",
    **{
        f"transitions.{t}.{kernel}.{layer}": f"posterior.transitions.{t}.{kernel}.{layer}"
        for t in range(5)
        for kernel in ("ahead", "back")
        for layer in ("from_z", "from_context", "heads")
    },
}


@pytest.fixture
def single():
    """The file, loaded afresh: a test may change its constants."""
    spec = importlib.util.spec_from_file_location("hvi_avo", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def method():
    """The package's row as `short` has it, in float64."""
    options = config.load("hvi_avo", ["preset=short"])
    return method_class("hvi_avo")(options, 784).double()


def package_name(name: str) -> str:
    module, _, kind = name.rpartition(".")
    return f"{NAMES[module]}.{kind}"


def pair(single, method):
    """The file's model with the package's parameters, all of them moved off their start."""
    g = torch.Generator().manual_seed(0)
    for p in method.parameters():
        p.data += 0.02 * torch.randn(p.shape, generator=g, dtype=p.dtype)
    values = method.state_dict()
    model = single.HVI().double()
    model.load_state_dict({name: values[package_name(name)] for name in model.state_dict()})
    assert len(values) == len(model.state_dict())
    return model


def images() -> torch.Tensor:
    """Binary images as uint8 of 0 and 255."""
    return 255 * torch.randint(2, (BATCH, 784), generator=torch.Generator().manual_seed(1)).byte()


@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("beta", [1.0, 0.3])
@pytest.mark.parametrize("name", ["elbo", "avo"])
def test_losses_and_gradients_are_the_packages(single, method, name, beta, samples):
    model, grey = pair(single, method), images()
    noise = method.noise("posterior", samples, BATCH, 0)
    numbers = [torch.tensor(number, dtype=torch.float64) for number in (beta, 1.0)]
    expected, _ = method(grey, torch.zeros(grey.shape), noise, float(name == "avo"), *numbers)
    expected.backward()
    loss = -getattr(single, name)(model, grey.double() / 255, noise, beta)
    loss.backward()
    torch.testing.assert_close(loss, expected, rtol=0, atol=1e-10)
    package, untrained = dict(method.named_parameters()), set()
    for alone, p in model.named_parameters():
        gradient = package[package_name(alone)].grad
        if gradient is None:
            untrained.add(alone.partition(".")[0])
            assert p.grad is None, alone
        else:
            assert gradient.abs().max() > 0, alone
            torch.testing.assert_close(p.grad, gradient, rtol=0, atol=1e-10, msg=alone)
    assert untrained == ({"encoder", "q0"} if name == "avo" else set())


def test_log_marginal_is_the_packages(single, method):
    model, x, samples = pair(single, method), images().double() / 255, 25
    expected = log_marginal(method.target, method.posterior, x, 40, samples, seed=3, batch_index=2)
    shape = (method.posterior.num_draws, SAMPLE_BLOCK, BATCH, 40)
    blocks = [
        randomness.normal(shape, 3, "evaluate", 2, block, dtype=torch.float64) for block in range(3)
    ]
    noises = torch.cat(blocks, dim=1)[:, :samples].split(4, dim=1)
    log_p = single.log_marginal(model, x, noises)
    torch.testing.assert_close(log_p, expected.log_prob, rtol=0, atol=1e-10)


def test_the_constants_are_those_of_the_short_preset(single, method):
    options = method.config
    network, optimiser, row = options.network, options.optimiser, options.method_options
    assert (network.hidden, network.latent) == (single.HIDDEN, single.LATENT)
    assert (options.data.batch_size, row.avo.rho) == (single.BATCH, single.RHO)
    assert options.trainer.warmup_epochs == single.WARM_UP_EPOCHS
    assert list(single.LEARNING_RATES) == [0.0, *optimiser.milestones]
    rates = [optimiser.learning_rate * factor for factor in (1.0, *optimiser.factors)]
    assert list(single.LEARNING_RATES.values()) == pytest.approx(rates)


def test_transitions_start_as_the_packages_do(single, method):
    for alone, reference in zip(
        single.HVI().transitions, method.posterior.transitions, strict=True
    ):
        for kernel in ("ahead", "back"):
            start, expected = (getattr(t, kernel).heads.bias[40:] for t in (alone, reference))
            torch.testing.assert_close(start.double(), expected, rtol=0, atol=1e-6)


def test_training_follows_the_packages_schedules(single, method, monkeypatch):
    betas, rates, adam_step = [], [], torch.optim.Adam.step

    def recorded(bound):
        def call(model, x, noise, beta):
            if torch.is_grad_enabled():  # not the validation bound
                betas.append(beta)
            return bound(model, x, noise, beta)

        return call

    def step(adam):
        rates.append(adam.param_groups[0]["lr"])
        adam_step(adam)

    for name, value in {"HIDDEN": 4, "LATENT": 3, "KERNEL_HIDDEN": 4, "BATCH": 5}.items():
        monkeypatch.setattr(single, name, value)
    for name in ("elbo", "avo"):
        monkeypatch.setattr(single, name, recorded(getattr(single, name)))
    monkeypatch.setattr(torch.optim.Adam, "step", step)
    grey = images()  # two batches, of 5 and 2
    single.train(single.HVI(), grey, grey.float() / 255, 20, torch.Generator().manual_seed(0))
    o, warmup = method.config.optimiser, 2 * method.config.trainer.warmup_epochs
    factors = [schedules.piecewise(i, 40, o.milestones, o.factors) for i in range(40)]
    assert rates == pytest.approx([o.learning_rate * factor for factor in factors])
    assert betas == pytest.approx([schedules.linear_warmup(i, warmup) for i in range(40)])


def write_idx(path, values: torch.Tensor) -> None:
    """A file of MNIST's format: a magic number, the sizes, the bytes."""
    header = struct.pack(f">{1 + values.dim()}I", 0x800 + values.dim(), *values.shape)
    path.write_bytes(header + values.numpy().tobytes())


@pytest.fixture(scope="module")
def fake_mnist(tmp_path_factory):
    """A folder as torchvision's MNIST reads it, with 40 images to validate and 30 to test."""
    root = tmp_path_factory.mktemp("data")
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    g = torch.Generator().manual_seed(0)
    for name, count in (("train", 50_040), ("t10k", 30)):
        pixels = torch.randint(256, (count, 28, 28), generator=g, dtype=torch.uint8)
        write_idx(raw / f"{name}-images-idx3-ubyte", pixels)
        write_idx(raw / f"{name}-labels-idx1-ubyte", torch.zeros(count, dtype=torch.uint8))
    return root


def test_main_trains_and_scores(single, fake_mnist, monkeypatch, capsys):
    for name, value in {"HIDDEN": 4, "LATENT": 3, "KERNEL_HIDDEN": 4, "BATCH": 100}.items():
        monkeypatch.setattr(single, name, value)
    train, validation, test = single.load_mnist(str(fake_mnist))
    assert (train.shape, validation.shape, test.shape) == ((50_000, 784), (40, 784), (30, 784))
    monkeypatch.setattr(single, "load_mnist", lambda root: (train[:250], validation, test))

    def run(seed: int) -> list[str]:
        with torch.random.fork_rng():
            single.main(["--data", str(fake_mnist), "--epochs=2", "--samples=25", f"--seed={seed}"])
        return re.sub(r", \d+ s$", "", capsys.readouterr().out, flags=re.M).splitlines()

    first, second, last = run(0)
    assert re.fullmatch(r"epoch 1: validation ELBO -\d+\.\d\d nats", first)
    assert re.fullmatch(r"epoch 2: validation ELBO -\d+\.\d\d nats", second)
    assert re.fullmatch(r"test NLL \d+\.\d\d nats, standard error over images \d+\.\d\d", last)
    assert run(0) == [first, second, last]
    assert run(1)[-1] != last


def no_network(self) -> None:
    raise RuntimeError("Error downloading train-images-idx3-ubyte.gz:\nTried https://..., got:\n")


@pytest.mark.parametrize("what", ["no network", "a file in place of the folder"])
def test_without_mnist_it_says_so_in_one_sentence(single, tmp_path, monkeypatch, capsys, what):
    root = tmp_path / "data"
    if what == "no network":
        monkeypatch.setattr(single.MNIST, "download", no_network)
    else:
        root.write_text("", encoding="utf-8")
    with pytest.raises(SystemExit) as stop:
        single.main(["--data", str(root)])
    assert stop.value.code == 2
    (sentence,) = capsys.readouterr().err.splitlines()
    assert sentence.startswith(f"MNIST could not be read from {root} or downloaded (")


@pytest.mark.parametrize("option", ["--epochs=0", "--samples=0", "--seed=x"])
def test_options_out_of_range_end_with_status_2(single, option):
    with pytest.raises(SystemExit) as stop:
        single.main([option])
    assert stop.value.code == 2


def test_it_needs_nothing_but_torch_and_torchvision():
    imported = set(
        re.findall(r"^(?:from|import) (\w+)", PATH.read_text(encoding="utf-8"), flags=re.M)
    )
    assert imported - sys.stdlib_module_names == {"torch", "torchvision"}
