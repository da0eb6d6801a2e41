import gzip
import hashlib
import os
import shutil
import subprocess
import sys
import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import mnist_folder

from annealed.data import digits, mnist, mnist_static
from annealed.data.images import load_images
from annealed.data.locations import DataNotFound, cache_root, data_root
from annealed.training.datamodule import EpochOrder, ImageData
from annealed.utils import randomness
from annealed.utils.arrays import index_of_part
from annealed.utils.errors import UsageError


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """A home of its own and downloads that fail as they do without a network."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(mnist.MNIST, "mirrors", ["http://127.0.0.1:9/"])
    monkeypatch.setattr(mnist_static, "ADDRESS", "http://127.0.0.1:9/")
    return tmp_path


def test_digits_need_neither_files_nor_network(offline):
    images = load_images("digits", str(offline / "nothing"), seed=0)
    assert [tuple(s.shape) for s in images] == [(1297, 64), (250, 64), (250, 64)]
    assert all(s.dtype == torch.uint8 for s in images)
    assert len(images.train.unique()) > 10
    for split in (images.validation, images.test):
        assert split.unique().tolist() == [0, 255]
    assert not (offline / "nothing").exists()


def test_the_data_seed_alone_binarises_validation_and_test():
    a, b, c = (load_images("digits", None, seed) for seed in (0, 0, 1))
    assert a.digest() == b.digest() != c.digest()


def test_held_out_bits_share_no_draws_with_training():
    grey = torch.full((250, 64), 128, dtype=torch.uint8)
    training = randomness.uniform(grey.shape, 0, "binarise", 0)
    held_out = randomness.uniform(grey.shape, 0, "held_out", 0)
    assert (training == held_out).double().mean() < 0.01
    p = digits.load(0)[1]
    expected = randomness.binarise(p, randomness.uniform(p.shape, 0, "held_out", 0))
    assert torch.equal(load_images("digits", None, 0).validation, (255 * expected).to(torch.uint8))


def test_an_epochs_order_is_a_function_of_seed_and_epoch():
    def order(seed, epoch):
        sampler = EpochOrder(25, 10, 1, lambda: [seed], lambda: epoch)
        assert len(sampler) == 3
        return [batch[0].tolist() for (batch,) in sampler]

    assert order(0, 4) == order(0, 4)
    assert order(0, 4) != order(0, 5) != order(1, 5)
    assert sorted(i for batch in order(0, 4) for i in batch) == list(range(25))


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_seeds_side_by_side_keep_their_own_order_however_many_steps_a_call(steps):
    def batches(seeds, steps):
        calls = list(EpochOrder(25, 10, steps, lambda: seeds, lambda: 4))
        assert all(len(call) == steps for call in calls[:-1])
        return [batch for call in calls for batch in call]

    together = batches([3, 5], steps)
    assert [tuple(batch.shape) for batch in together] == [(2, 10), (2, 10), (2, 5)]
    for i, seed in enumerate([3, 5]):
        for batch, alone in zip(together, batches([seed], 1), strict=True):
            assert torch.equal(batch[i], alone[0])


def test_a_batch_is_one_gather_of_uint8():
    images = load_images("digits", None, 0)
    data = ImageData(images, 100, 4, torch.device("cpu"))
    data.trainer = SimpleNamespace(current_epoch=3, lightning_module=SimpleNamespace(seeds=[0, 1]))
    loader = data.train_dataloader()
    calls = list(loader)
    assert [len(call) for call in calls] == [4, 4, 4, 1]
    assert [tuple(b.shape) for b in calls[0]] == [(2, 100, 64)] * 4
    assert calls[-1][0].shape[1] == 97
    assert calls[0][0].dtype == torch.uint8
    assert torch.equal(calls[0][1], images.train[next(iter(loader.sampler))[1]])
    assert torch.equal(torch.cat(list(data.val_dataloader())), images.validation)


def test_mnist_has_the_protocols_splits_and_binarisation():
    root = mnist_folder()
    images = load_images("mnist", str(root), 0)
    assert [tuple(s.shape) for s in images] == [(50_000, 784), (10_000, 784), (10_000, 784)]
    grey = mnist.load(root)
    # each pixel is 255 with probability grey / 255: the mean of the bits is the mean of the grey
    for bits, source in zip((images.validation, images.test), grey[1:], strict=True):
        assert bits.unique().tolist() == [0, 255]
        p = source.double() / 255
        error = (p * (1 - p)).sum().sqrt() / p.numel()
        assert abs(bits.double().mean() / 255 - p.mean()) < 5 * error
        assert (bits[source == 0] == 0).all()
        assert (bits[source == 255] == 255).all()


def test_mnist_through_the_environment(monkeypatch):
    root = mnist_folder()
    monkeypatch.setenv("ANNEALED_DATA", str(root))
    assert data_root(None) == root
    assert data_root("/elsewhere").as_posix() == "/elsewhere"
    assert load_images("mnist", None, 0).train.shape == (50_000, 784)


def test_missing_mnist_says_where_to_put_it(offline):
    with pytest.raises(DataNotFound, match="train-images-idx3-ubyte is not in") as error:
        load_images("mnist", str(offline / "data"), 0)
    assert "ANNEALED_DATA" in str(error.value)
    assert "\n" not in str(error.value)
    for reason in ("Error downloading train-images", "Tried http://127.0.0.1:9/", "refused"):
        assert reason in str(error.value)
    assert not (offline / "data").exists()


def test_a_download_that_fails_leaves_a_folder_as_it_was(offline):
    root = offline / "data"
    (root / "MNIST").mkdir(parents=True)
    (root / "mnist.npz").write_bytes(b"")
    for name in ("mnist", "mnist_static"):
        with pytest.raises(DataNotFound, match=rf"{root}\S* holds .*could not be downloaded"):
            load_images(name, str(root), 0)
    assert sorted(p.name for p in root.rglob("*")) == ["MNIST", "mnist.npz"]
    with pytest.raises(DataNotFound, match=rf"\({root} holds MNIST, mnist.npz\)"):
        load_images("mnist_static", str(root), 0)


def test_a_download_that_is_cut_leaves_no_folder_either(offline, monkeypatch):
    def half(root, train, download):
        (root / mnist.RAW).mkdir(parents=True)
        (root / mnist.RAW / "train-images-idx3-ubyte.gz").write_bytes(b"half")
        raise RuntimeError("File not found or corrupted.")

    monkeypatch.setattr(mnist, "MNIST", half)
    with pytest.raises(DataNotFound, match=r"\(File not found or corrupted\)"):
        load_images("mnist", str(offline / "data"), 0)
    assert not (offline / "data").exists()

    def interrupt(root, train, download):
        raise KeyboardInterrupt

    monkeypatch.setattr(mnist, "MNIST", interrupt)
    with pytest.raises(KeyboardInterrupt):
        load_images("mnist", str(offline / "data"), 0)
    assert not (offline / "data").exists()


def gzipped(content: bytes) -> bytes:
    return gzip.compress(content, 1)


LAYOUTS = {
    "gzipped": ("MNIST/raw/{name}.gz", gzipped),
    "gzipped in the root": ("{name}.gz", gzipped),
    "plain in the root": ("{name}", bytes),
    "in a folder of its own": ("mnist/{name}.gz", gzipped),
    "dotted": ("MNIST/raw/{dotted}", bytes),
    "dotted in the root": ("{dotted}", bytes),
    "dotted and gzipped": ("{dotted}.gz", gzipped),
    "nested, as on Kaggle": ("{name}/{name}", bytes),
    "decompressed by a browser": ("{name}.gz", bytes),
}


@pytest.fixture
def small_mnist(offline, monkeypatch):
    """Files in MNIST's format with checksums of their own, by name, and a root without any."""
    rng = np.random.default_rng(0)
    counts = {"train-images-idx3-ubyte": 5, "t10k-images-idx3-ubyte": 3}
    contents = {
        name: b"\0" * 16 + rng.integers(0, 256, counts.get(name, 0) * 784, np.uint8).tobytes()
        for name in mnist.MD5
    }
    for name, content in contents.items():
        monkeypatch.setitem(mnist.MD5, name, hashlib.md5(content).hexdigest())
    (offline / "data").mkdir()
    return offline / "data", contents


def place(root: Path, contents: dict[str, bytes], layout: str) -> None:
    form, write = LAYOUTS[layout]
    for name, content in contents.items():
        path = root / form.format(name=name, dotted=name.replace("-idx", ".idx"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(write(content))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_mnist_is_read_as_public_copies_have_it(small_mnist, layout):
    root, contents = small_mnist
    place(root, contents, layout)
    before = sorted(root.rglob("*"))
    train, validation, test = mnist.load(root)
    assert [len(split) for split in (train, validation, test)] == [5, 0, 3]
    for split, name in ((train, "train-images-idx3-ubyte"), (test, "t10k-images-idx3-ubyte")):
        assert split.numpy().tobytes() == contents[name][16:]
    assert sorted(root.rglob("*")) == before


def test_files_that_are_missing_alone_are_downloaded(small_mnist, monkeypatch):
    root, contents = small_mnist
    place(root, contents, "gzipped")
    (root / "MNIST" / "raw" / "t10k-labels-idx1-ubyte.gz").unlink()
    before = {path: path.stat().st_mtime_ns for path in (root / "MNIST" / "raw").iterdir()}

    def fetch(scratch, train, download):
        place(scratch, contents, "dotted")
        for name, content in contents.items():
            (scratch / "MNIST" / "raw" / name).write_bytes(content)

    monkeypatch.setattr(mnist, "MNIST", fetch)
    assert len(mnist.load(root)[2]) == 3
    after = {path: path.stat().st_mtime_ns for path in (root / "MNIST" / "raw").iterdir()}
    assert before.items() <= after.items()
    assert {path.name for path in after.keys() - before.keys()} == {"t10k-labels-idx1-ubyte"}


def test_a_compressed_file_that_is_cut_or_of_other_content_is_named(small_mnist):
    root, contents = small_mnist
    place(root, contents, "gzipped")
    path = root / "MNIST" / "raw" / "t10k-images-idx3-ubyte.gz"
    for content, problem in (
        (path.read_bytes()[:-9], "cannot be decompressed"),
        (gzipped(b"other"), r"\(5 bytes\) is truncated or not MNIST's"),
    ):
        path.write_bytes(content)
        with pytest.raises(UsageError, match=rf"ubyte\.gz {problem}"):
            mnist.load(root)


def in_the_way(path: Path) -> None:
    path.unlink()
    path.mkdir()


def to_nothing(path: Path) -> None:
    path.unlink()
    path.symlink_to("/nowhere/file")


def round_about(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (in_the_way, "is no file; replace it"),
        (to_nothing, "is a link to /nowhere/file, which is not there"),
        (round_about, "cannot be read: Too many levels of symbolic links"),
    ],
)
def test_what_lies_in_a_files_place_is_named_and_stays(small_mnist, spoil, problem):
    root, contents = small_mnist
    place(root, contents, "dotted")
    path = root / "MNIST" / "raw" / "train-images.idx3-ubyte"
    spoil(path)
    with pytest.raises(UsageError, match=rf"{path} {problem}"):
        mnist.load(root)
    assert path.is_dir() or path.is_symlink()


@pytest.mark.parametrize("name", ["mnist", "mnist_static"])
@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), OSError(5, "I/O")])
def test_a_file_that_may_not_be_read_is_named_and_nothing_is_tried_again(
    small_mnist, small_static, monkeypatch, name, error
):
    (root, contents), (static, _) = small_mnist, small_static
    place(root, contents, "dotted")
    root = root if name == "mnist" else static

    def refuse(path):
        raise type(error)(*error.args)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", refuse)
        with pytest.raises(UsageError, match=rf"{root}.* cannot be read: {error.strerror}\.") as e:
            load_images(name, str(root), 0)
    assert e.value.status == 2
    assert not isinstance(e.value, DataNotFound)  # which other data would stand in for

    def blind(path, **options):
        if path.is_relative_to(root):
            raise type(error)(*error.args)
        return stat(path, **options)

    stat = Path.stat
    monkeypatch.setattr(Path, "stat", blind)
    with pytest.raises(UsageError, match=rf"{root}.*: {error.strerror}"):
        load_images(name, str(root), 0)


def test_folders_and_files_closed_to_this_user_are_one_sentence(small_mnist):
    root, contents = small_mnist
    place(root, contents, "gzipped")
    for path in (root / "MNIST" / "raw" / "train-images-idx3-ubyte.gz", root / "MNIST", root):
        path.chmod(0)
        try:
            if os.access(path, os.R_OK):
                pytest.skip("this user may read everything")
            with pytest.raises(UsageError, match=rf"{path.name}.*: Permission denied"):
                mnist.load(root)
        finally:
            path.chmod(0o755)


@pytest.mark.parametrize(
    ("root", "reason"),
    [
        ("~nosuchuser/data", "a user who is not known"),
        ("a\0b", "null character"),
        ("d" * 300, "is too long"),
        ("{folder}/file", "it is no folder"),
        ("{folder}/file/data", "Not a directory"),
        ("{folder}/link", "it is a link to /nowhere, which is not there"),
    ],
)
@pytest.mark.parametrize("label", ["data.root", "ANNEALED_DATA", "XDG_CACHE_HOME"])
def test_a_root_that_can_be_no_folder_is_one_sentence(offline, monkeypatch, root, reason, label):
    (offline / "file").write_bytes(b"")
    (offline / "link").symlink_to("/nowhere")
    value = root.format(folder=offline)
    configured = value if label == "data.root" else None
    if not configured:
        monkeypatch.setattr(os, "environ", {label: value, "HOME": "/"})
    with pytest.raises(UsageError, match=rf"^{label} is .*{reason}"):
        cache_root() if label == "XDG_CACHE_HOME" else load_images("mnist", configured, 0)


def test_an_ascii_locale_has_no_letters_for_some_folders(offline):
    code = "from annealed.data.locations import data_root; data_root('donn\\u00e9es')"
    plain = {**os.environ, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}
    done = subprocess.run([sys.executable, "-c", code], env=plain, capture_output=True)
    assert (
        b"UsageError: data.root is 'donn\\xe9es', which has letters that the locale does not"
        in done.stderr
    )


def test_without_a_home_caches_are_optional_and_data_need_a_root(small_static, homeless):
    root, bits = small_static
    for _ in range(2):
        assert torch.equal(mnist_static.load(root)[1] // 255, torch.from_numpy(bits["valid"]))
    assert len(load_images("digits", None, 0).train) == 1297
    with pytest.raises(DataNotFound, match=r"data.root are not set, and this user has no home"):
        load_images("mnist", None, 0)


def test_a_cache_that_cannot_be_written_is_done_without(small_static, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    root, bits = small_static
    monkeypatch.setattr(os, "fsync", full)
    for _ in range(2):
        assert torch.equal(mnist_static.load(root)[1] // 255, torch.from_numpy(bits["valid"]))
    assert not [p for p in (root / "cache").rglob("*") if p.is_file()]


@pytest.mark.parametrize("name", sorted(mnist.MD5))
def test_a_wrong_mnist_file_is_named_and_not_used(tmp_path, name):
    raw = tmp_path / "MNIST" / "raw"
    shutil.copytree(mnist_folder() / "MNIST" / "raw", raw, copy_function=shutil.copyfile)
    raw.chmod(0o755)
    content = (raw / name).read_bytes()
    flipped = content[:-1] + bytes([content[-1] ^ 1])
    for wrong in (content[: len(content) // 2], flipped, b""):
        (raw / name).write_bytes(wrong)
        with pytest.raises(UsageError, match=f"{name}.*truncated or not MNIST"):
            load_images("mnist", str(tmp_path), 0)


def test_a_legacy_file_of_torchvision_is_not_used_in_place_of_checked_ones(tmp_path):
    root = mnist_folder()
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in mnist.MD5:
        (raw / name).symlink_to(root / "MNIST" / "raw" / name)
    legacy = tmp_path / "MNIST" / "processed"
    legacy.mkdir()
    for name, count in (("training.pt", 60_000), ("test.pt", 10_000)):
        images = torch.zeros(count, 28, 28, dtype=torch.uint8)
        torch.save((images, torch.zeros(count)), legacy / name)
    assert (
        load_images("mnist", str(tmp_path), 0).digest()
        == load_images("mnist", str(root), 0).digest()
    )


def test_mnist_is_downloaded_whole_from_a_mirror(tmp_path, monkeypatch):
    source = mnist_folder() / "MNIST" / "raw"
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    for name in mnist.MD5:
        (mirror / f"{name}.gz").write_bytes(gzip.compress((source / name).read_bytes(), 1))
    # the archives' MD5 depends on the compressor, so the fixture brings its own
    resources = [(f"{name}.gz", None) for name in mnist.MD5]
    monkeypatch.setattr(mnist.MNIST, "resources", resources)
    handler = partial(SimpleHTTPRequestHandler, directory=mirror)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/"
        monkeypatch.setattr(mnist.MNIST, "mirrors", [address])
        images = load_images("mnist", str(tmp_path / "fresh"), 0)
        server.shutdown()
    assert images.digest() == load_images("mnist", str(mnist_folder()), 0).digest()
    assert sorted(p.name for p in (tmp_path / "fresh").iterdir()) == ["MNIST"]


@contextmanager
def answering(reply: bytes):
    """The address of a server that sends `reply`, headers and all, to every request and closes."""

    class Handler(BaseRequestHandler):
        def handle(self):
            self.request.recv(65536)
            self.request.sendall(reply)

    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


NO_HTTP = b"this is no HTTP\r\n\r\n"
CUT_CHUNK = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n0 1 0 1"
CUT = b"HTTP/1.1 200 OK\r\nContent-Length: 78400000\r\n\r\n0 1 0 1 "
PORTAL = b"HTTP/1.1 200 OK\r\nContent-Length: 19\r\n\r\n<html>Log in</html>"


@pytest.mark.parametrize("reply", [NO_HTTP, CUT_CHUNK, CUT, PORTAL])
@pytest.mark.parametrize("data", ["mnist", "mnist_static"])
def test_a_download_of_something_else_is_told_and_not_kept(offline, monkeypatch, data, reply):
    root = offline / "root"
    with answering(reply) as address:
        monkeypatch.setattr(mnist.MNIST, "mirrors", [address])
        monkeypatch.setattr(mnist_static, "ADDRESS", address)
        with pytest.raises(DataNotFound, match=f"^{data}: .* could not be downloaded"):
            load_images(data, str(root), 0)
    assert not root.exists()


def text_of(bits: np.ndarray) -> bytes:
    return "\n".join(" ".join(map(str, row)) for row in bits).encode()


@pytest.fixture
def small_static(offline, monkeypatch):
    """The format of static MNIST with 6, 3 and 3 images, and the digests that fit them."""
    rng = np.random.default_rng(0)
    splits = {"train": 6, "valid": 3, "test": 3}
    bits = {s: rng.integers(0, 2, (n, 784)).astype(np.uint8) for s, n in splits.items()}
    folder = offline / "binarized_mnist"
    folder.mkdir()
    for split, b in bits.items():
        (folder / f"binarized_mnist_{split}.amat.gz").write_bytes(gzip.compress(text_of(b)))
    monkeypatch.setattr(mnist_static, "SPLITS", splits)
    digests = {s: mnist_static.digest(np.packbits(b, axis=1)) for s, b in bits.items()}
    monkeypatch.setattr(mnist_static, "DIGESTS", digests)
    return offline, bits


def static_images():
    """The real ones; the test is skipped without them."""
    root = mnist_folder()
    if not (root / "binarized_mnist").is_dir():
        pytest.skip("static MNIST is not at hand")
    return load_images("mnist_static", str(root), 0)


def test_static_files_are_read_compressed_plain_and_from_the_cache(small_static, monkeypatch):
    root, bits = small_static
    for _ in range(2):
        for split, expected in zip(mnist_static.load(root), bits.values(), strict=True):
            assert torch.equal(split, torch.from_numpy(expected * np.uint8(255)))
        cached = sorted((root / "cache" / "annealed" / "mnist_static").iterdir())
        assert len(cached) == 3
        assert cached[0].stat().st_size < 1000
        monkeypatch.setattr(mnist_static, "parse", None)  # the second time it is not needed
    monkeypatch.undo()


def test_a_plain_amat_is_read(small_static):
    root, bits = small_static
    folder = root / "binarized_mnist"
    for split, b in bits.items():
        (folder / f"binarized_mnist_{split}.amat.gz").unlink()
        (folder / f"binarized_mnist_{split}.amat").write_bytes(text_of(b) + b"\n")
    assert torch.equal(mnist_static.load(root)[0] // 255, torch.from_numpy(bits["train"]))


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda b: gzip.compress(b)[:-20], "cannot be decompressed"),
        (lambda b: gzip.compress(b[:-2]), "pixels where 6 x 784"),
        (lambda b: gzip.compress(b.replace(b"1", b"2", 1)), "other than 0 and 1"),
        (lambda b: gzip.compress(b.replace(b"1", b"0", 1)), "SHA-256"),
    ],
)
def test_a_wrong_static_file_is_named_and_not_used(small_static, spoil, problem):
    root, bits = small_static
    path = root / "binarized_mnist" / "binarized_mnist_train.amat.gz"
    path.write_bytes(spoil(text_of(bits["train"])))
    with pytest.raises(UsageError, match=f"{path.name}.*{problem}"):
        mnist_static.load(root)


def test_a_corrupt_cache_is_not_used(small_static):
    root, bits = small_static
    mnist_static.load(root)
    for cached in (root / "cache" / "annealed" / "mnist_static").iterdir():
        content = bytearray(cached.read_bytes())
        content[-1] ^= 1
        cached.write_bytes(content)
    assert torch.equal(mnist_static.load(root)[2] // 255, torch.from_numpy(bits["test"]))


def test_missing_static_files_say_where_to_put_them(offline):
    with pytest.raises(DataNotFound, match=r"binarized_mnist_train\.amat\[\.gz\] is not in"):
        load_images("mnist_static", str(offline), 0)


def test_a_part_of_the_sorted_test_file_is_evenly_spaced_and_of_a_mixed_one_the_first(small_static):
    root, bits = small_static
    images = load_images("mnist_static", str(root), 0, held_out_limit=2)
    assert torch.equal(images.validation // 255, torch.from_numpy(bits["valid"][:2]))
    assert torch.equal(images.test // 255, torch.from_numpy(bits["test"][[0, 2]]))
    assert torch.equal(images.part("test", 1), images.test[1:])
    assert torch.equal(images.part("validation", 1), images.validation[:1])
    assert torch.equal(images.part("test", 9), images.test)


@pytest.mark.parametrize(("count", "available"), [(1, 5), (3, 10), (7, 10), (275, 10_000)])
def test_images_evenly_spaced_are_one_of_each_of_as_many_equal_shares(count, available):
    index = index_of_part(count, available, spaced=True)
    assert [int(count * (i + 0.5) / available) for i in index] == list(range(count))


def test_a_part_of_the_real_sorted_test_file_stands_for_the_whole():
    images = static_images()
    whole, first = images.test.float().mean(0) / 255, images.test[:275].float().mean(0) / 255
    part = images.part("test", 275).float().mean(0) / 255
    assert (part - whole).abs().max() < 0.15  # five standard errors of a pixel at most
    assert (first - whole).abs().max() > 0.4


def test_the_real_static_files_are_known():
    images = static_images()
    assert [len(s) for s in images] == [50_000, 10_000, 10_000]
    assert all(s.unique().tolist() == [0, 255] for s in images)


def test_a_limit_keeps_the_first_training_images_and_the_others_whole():
    whole, cut = load_images("digits", None, 0), load_images("digits", None, 0, 100)
    assert torch.equal(cut.train, whole.train[:100])
    assert torch.equal(cut.test, whole.test)
    assert cut.digest() != whole.digest()
    with pytest.raises(UsageError, match=r"data.train_images is 5000; accepted: null, or 1 to"):
        load_images("digits", None, 0, 5000)
