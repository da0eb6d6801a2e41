"""What a run says on the console: what is trained on what, and the result in words."""

import torch

from annealed.compute.machine import Machine
from annealed.config.datasets import TOY
from annealed.config.schema import Config
from annealed.evaluation.result import trusted_k
from annealed.runs.problems import Problem


def opening(config: Config, seeds: list[int], subject: Problem, machine: Machine) -> str:
    """What is trained on what, in two lines."""
    options = config.trainer
    numbers = f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"
    return (
        f"{config.row} on {subject.described()}\n"
        f"epochs: {options.epochs}, {numbers}, {_computed(machine)}, "
        f"{'compiled' if options.compile else 'not compiled'}"
    )


def _computed(machine: Machine) -> str:
    """The device, how many of it, and how it multiplies."""
    count = f"{machine.ranks.world} processes on " if machine.ranks.world > 1 else ""
    if machine.device.type == "cuda":
        name, unit = torch.cuda.get_device_name(machine.device), "GPU"
    else:
        name, unit = f"threads: {torch.get_num_threads()}", "CPU"
    precision = "" if machine.precision == "32" else f" in {machine.precision}"
    return f"{count}{unit} ({name}), products by {machine.products}{precision}"


def conclusion(result: dict) -> str:
    """The main numbers of a finished run's result, in words."""
    if result.get("estimator") == "ais":
        parts = _of_annealed(result)
    else:
        parts = _of_energy(result) if result["data"] == TOY else _of_images(result)
    training = result.get("training") or {}
    seconds = f"scored in {result['evaluate_seconds']:.0f} s"
    if "seconds" in training:
        seconds = f"trained in {training['seconds']:.0f} s, {seconds}"
    return "; ".join([", ".join(filter(None, parts)), seconds])


def _of_images(result: dict) -> list[str]:
    nll = f"NLL {_nats(result, 'nll', 'nll_mc_error')}"
    if "bits_per_dim" in result:
        nll += f" = {result['bits_per_dim']:.4f} bits per dimension"
    limit, share = trusted_k(result["samples"]), result["k_hat_untrusted"]
    return [
        f"{nll} (S = {result['samples']}, {result['test_images']} images)",
        _value("ELBO", result["elbo"]),
        _value("rate", result.get("rate")),
        f"{result['active_units']} of {result['config']['network']['latent']} units active"
        if result.get("active_units") is not None
        else "",
        "k-hat not defined"
        if result["k_hat_median"] is None
        else f"k-hat too high (above {limit:.2f}) for {100 * share:.1f} % of images",
    ]


def _of_annealed(result: dict) -> list[str]:
    size, bdmc, importance = (result[key] for key in ("annealing", "bdmc", "importance"))
    count = f"{result['test_images']} images"
    chains = f"{size['chains']} chains, {size['temperatures']} temperatures"
    acceptance = result["acceptance_mean"]
    return [
        f"AIS NLL {_nats(result, 'nll', 'nll_mc_error')} ({count}, {chains})",
        f"importance-sampled {importance['nll']:.3f} nats (S = {importance['samples']}), "
        f"gap {_nats(importance, 'gap', 'gap_error')}"
        if importance
        else "",
        f"BDMC gap {_nats(bdmc, 'gap', 'gap_error')} ({bdmc['images']} images of the model)"
        if bdmc
        else "",
        "" if acceptance is None else f"acceptance {acceptance:.2f}",
    ]


def _of_energy(result: dict) -> list[str]:
    exact = result["log_z_true"]
    known = f"; exact: {exact:.3f}" if exact is not None else ""
    samples, k_hat = result["samples"], result["k_hat"]
    masses = result["mode_masses"]
    return [
        f"log Z {_nats(result, 'log_z', 'log_z_mc_error')} (S = {samples}{known})",
        _value("KL of the path", result["kl"]),
        "k-hat not defined"
        if k_hat is None
        else f"k-hat {k_hat:.2f}, {'too high (' * (k_hat > trusted_k(samples))}"
        f"trusted up to {trusted_k(samples):.2f}{')' * (k_hat > trusted_k(samples))}",
        "mass of the modes " + " ".join(f"{mass:.3f}" for mass in masses) if masses else "",
    ]


def _nats(result: dict, name: str, error: str) -> str:
    """A number with its Monte Carlo error, where that is defined."""
    spread = result[error]
    return f"{result[name]:.3f}" + ("" if spread is None else f" +- {spread:.3f}") + " nats"


def _value(label: str, value: float | None) -> str:
    """A number in nats; nothing where it is not defined."""
    return "" if value is None else f"{label} {value:.3f} nats"
