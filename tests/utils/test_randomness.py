import torch

from annealed.utils import randomness


def test_numbers_depend_on_seed_stream_and_step_and_nothing_else():
    first = randomness.normal((5,), 1, "posterior", 7)
    torch.manual_seed(99)  # the global generator has no say
    assert torch.equal(first, randomness.normal((5,), 1, "posterior", 7))
    for other in ((2, "posterior", 7), (1, "validate", 7), (1, "posterior", 8)):
        assert not torch.equal(first, randomness.normal((5,), *other))


def test_the_default_type_of_numbers_has_no_say():
    makers = randomness.normal, randomness.uniform
    before = [make((5,), 1, "posterior", 7) for make in makers]
    torch.set_default_dtype(torch.float64)
    try:
        after = [make((5,), 1, "posterior", 7) for make in makers]
    finally:
        torch.set_default_dtype(torch.float32)
    assert all(torch.equal(a, b) and a.dtype == b.dtype for a, b in zip(before, after, strict=True))


def test_digits_of_seed_and_step_do_not_run_together():
    assert randomness.derive(1, "order", 23) != randomness.derive(1, "order", 2, 3)
    assert randomness.derive(11, "order", 1) != randomness.derive(1, "order", 11)


def test_drawing_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    randomness.uniform((3,), 0, "order")
    with randomness.initialisation(0):
        torch.rand(3)
    assert torch.equal(before, torch.get_rng_state())


def test_binarise_has_the_grey_value_as_its_mean_and_keeps_black_and_white():
    grey = torch.tensor([0, 51, 204, 255], dtype=torch.uint8).expand(20_000, 4)
    bits = randomness.binarise(grey, randomness.uniform(grey.shape, 0, "binarise"))
    assert set(bits.unique().tolist()) == {0.0, 1.0}
    mean = bits.mean(0)
    assert mean[0] == 0.0
    assert mean[3] == 1.0
    error = (0.2 * 0.8 / len(grey)) ** 0.5
    assert abs(mean[1] - 0.2) < 5 * error
    assert abs(mean[2] - 0.8) < 5 * error
