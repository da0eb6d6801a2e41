import numpy as np
import pytest

from annealed.utils.arrays import read_arrays
from annealed.utils.errors import UsageError


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "result.npz"
    np.savez_compressed(path, log_prob=np.arange(1000.0), ess=np.ones(3))
    return path


def test_arrays_come_back_by_name(path):
    arrays = read_arrays(path, "log_prob", advice="score again")
    assert set(arrays) == {"log_prob", "ess"}
    assert np.array_equal(arrays["log_prob"], np.arange(1000.0))


@pytest.mark.parametrize("share", [0.0, 0.05, 0.5, 0.99])
def test_a_file_cut_short_anywhere_is_named_in_a_sentence(path, share):
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(UsageError, match=r"result\.npz is not readable; score again\.$"):
        read_arrays(path, advice="score again")


def test_a_damaged_missing_or_foreign_file_is_named_in_a_sentence(path):
    content = bytearray(path.read_bytes())
    content[200:240] = bytes(40)
    for bad in (bytes(content), b"no arrays", None):
        path.unlink() if bad is None else path.write_bytes(bad)
        with pytest.raises(UsageError, match=r"result\.npz is not readable; score again\.$"):
            read_arrays(path, advice="score again")


def test_an_array_that_is_not_there_is_named(path):
    with pytest.raises(UsageError, match=r"result\.npz lacks upper; score again\.$"):
        read_arrays(path, "log_prob", "upper", advice="score again")
