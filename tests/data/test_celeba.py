import hashlib
import io
import os
import shutil
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path
from types import SimpleNamespace

import faces
import numpy as np
import pytest
import torch
from commands import annealed, sentence
from conftest import ROOT
from PIL import Image
from torchvision.datasets import CelebA
from torchvision.transforms import v2

from annealed import config as configuration
from annealed.data.celeba import archive, dataset, partition, pixel_cache
from annealed.data.images import load_images
from annealed.data.locations import DataNotFound
from annealed.prepare import prepare
from annealed.training.datamodule import Gather, ImageData, resident
from annealed.utils.errors import UsageError
from annealed.utils.files import locked, sha256

GUIDE = ROOT / "src" / "annealed" / "data" / "README.md"
COUNT = 60
SPLITS = (48, 6, 6)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Sixty faces that no test changes."""
    return faces.make(tmp_path_factory.mktemp("faces"), COUNT)


@pytest.fixture
def home(monkeypatch, tmp_path):
    """A cache folder of its own, small chunks, and no download."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(pixel_cache, "CHUNK", 16)
    monkeypatch.setitem(sys.modules, "gdown", None)  # as where it is not installed
    return tmp_path


@pytest.fixture
def root(drawn, home):
    """A copy of the faces that a test may change."""
    return Path(shutil.copytree(drawn, home / "data"))


def photos(root: Path) -> Path:
    return root / "celeba" / "img_align_celeba"


def listing(root: Path) -> Path:
    return root / "celeba" / "list_eval_partition.txt"


def to_zip(root: Path) -> Path:
    """Put the images into the official zip in place of the folder."""
    path = root / "celeba" / "img_align_celeba.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.mkdir("img_align_celeba") if hasattr(archive, "mkdir") else None
        for photo in sorted(photos(root).iterdir()):
            archive.write(photo, f"img_align_celeba/{photo.name}")
    shutil.rmtree(photos(root))
    return path


def cached(home: Path) -> Path:
    """The one finished cache."""
    (record,) = (home / "cache").rglob("cache.json")
    return record.parent


def decoded(message: str) -> int:
    """How many builds were told of."""
    return message.count("decoding")


@pytest.mark.parametrize("size", [32, 64])
def test_faces_are_cropped_resized_and_split_as_torchvision_would(root, size):
    images = load_images("celeba", str(root), 0, size=size)
    assert [tuple(s.shape) for s in images] == [(n, 3 * size * size) for n in SPLITS]
    assert (images.shape, images.levels) == ((3, size, size), 256)
    like = v2.Compose(
        [v2.CenterCrop(148), v2.Resize(size, v2.InterpolationMode.BILINEAR), v2.PILToTensor()]
    )
    rows = [line.split() for line in listing(root).read_text(encoding="utf-8").splitlines()]
    for k, split in enumerate(images):
        paths = [photos(root) / name for name, number in rows if number == str(k)]
        expected = torch.stack([like(Image.open(path)) for path in paths])
        assert torch.equal(split.reshape(expected.shape), expected)
        assert len(split.unique()) > 100  # grey levels, not bits


def test_faces_differ_and_are_the_same_for_the_same_seed(drawn, tmp_path):
    again, other = faces.make(tmp_path / "a", 10), faces.make(tmp_path / "b", 10, seed=1)
    first = [p.read_bytes() for p in sorted(photos(drawn).iterdir())[:10]]
    assert [p.read_bytes() for p in sorted(photos(again).iterdir())] == first
    assert len({*first, *(p.read_bytes() for p in photos(other).iterdir())}) == 20


def test_the_digest_is_that_of_the_bytes_and_is_not_taken_again(root, home, monkeypatch):
    images = load_images("celeba", str(root), 0)
    content = b"".join(split.numpy().tobytes() for split in images)
    assert images.digest() == sha256(content) == sha256((cached(home) / "pixels.u8").read_bytes())
    cut = load_images("celeba", str(root), 0, 20)
    assert torch.equal(cut.train, images.train[:20])
    parts = [images.train[:20], images.validation, images.test]
    assert cut.digest() == sha256(b"".join(split.numpy().tobytes() for split in parts))
    monkeypatch.setattr(pixel_cache, "_digest", None)
    assert load_images("celeba", str(root), 0, 48).digest() == images.digest()
    with pytest.raises(UsageError, match=r"data.train_images is 49; accepted: .* 48 of celeba"):
        load_images("celeba", str(root), 0, 49)


def test_images_are_mapped_and_the_file_is_safe_from_writes(root, home):
    images = load_images("celeba", str(root), 0)
    file = cached(home) / "pixels.u8"
    before = file.read_bytes()
    if Path("/proc/self/maps").exists():
        (line,) = (
            row
            for row in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
            if str(file) in row
        )
        first, last = (int(end, 16) for end in line.split()[0].split("-"))
        assert all(first <= split.data_ptr() < last for split in images)
    images.train.zero_()
    assert file.read_bytes() == before


def test_batches_of_mapped_images_are_a_function_of_seed_and_epoch(root):
    images = load_images("celeba", str(root), 0)

    def epoch(number):
        data = ImageData(images, 10, 2, torch.device("cpu"))
        module = SimpleNamespace(seeds=[0, 1])
        data.trainer = SimpleNamespace(current_epoch=number, lightning_module=module)
        return torch.cat([batch for call in data.train_dataloader() for batch in call], dim=1)

    assert epoch(3).shape == (2, 48, 3 * 64 * 64)
    assert torch.equal(epoch(3), epoch(3))
    assert not torch.equal(epoch(3), epoch(4))
    for seen in epoch(3):
        key = [tuple(row[:50].tolist()) for row in seen]
        assert sorted(key) == sorted(tuple(row[:50].tolist()) for row in images.train)


def test_a_batch_is_moved_where_the_whole_set_is_not(root, monkeypatch):
    images = load_images("celeba", str(root), 0)
    elsewhere = torch.device("meta")  # a device that has shapes and no numbers
    gather = Gather(images.train, elsewhere)
    assert gather[torch.tensor([[3, 4]])].device == elsewhere
    assert gather.images is images.train
    gpu = SimpleNamespace(total_memory=8 * (48 + 6) * 3 * 64 * 64)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: gpu)
    assert resident(images, torch.device("cuda"))
    gpu.total_memory -= 8
    assert not resident(images, torch.device("cuda"))
    assert resident(images, torch.device("cpu"))


def test_the_zip_gives_the_same_cache_as_the_folder_and_no_images_need_stay(root, home, capsys):
    digest = load_images("celeba", str(root), 0).digest()
    assert decoded(capsys.readouterr().err) == 1
    to_zip(root)
    assert load_images("celeba", str(root), 0).digest() == digest
    assert decoded(capsys.readouterr().err) == 0  # name and size of every image are the same
    shutil.rmtree(home / "cache")
    assert load_images("celeba", str(root), 0).digest() == digest
    assert decoded(capsys.readouterr().err) == 1
    (root / "celeba" / "img_align_celeba.zip").unlink()
    assert load_images("celeba", str(root), 0).digest() == digest
    assert decoded(capsys.readouterr().err) == 0


def test_other_images_under_the_same_list_are_decoded_anew(root, capsys):
    digest = load_images("celeba", str(root), 0).digest()
    faces.draw(7, 7).save(photos(root) / "new.jpg")
    os.replace(photos(root) / "new.jpg", photos(root) / "000001.jpg")
    assert load_images("celeba", str(root), 0).digest() != digest
    assert "was made from other images" in capsys.readouterr().err


def overwrite(path: Path, content: bytes) -> None:
    """Write into a file as it lies, so that its folder does not change."""
    with open(path, "r+b") as f:
        f.write(content)
        f.truncate()


def test_one_image_overwritten_in_place_is_decoded_anew(root, capsys):
    digest = load_images("celeba", str(root), 0).digest()
    first, second = (photos(root) / f"{k:06d}.jpg" for k in (1, 2))
    whole = first.read_bytes()
    overwrite(first, second.read_bytes())
    other = load_images("celeba", str(root), 0).digest()
    assert other != digest
    assert "was made from other images" in capsys.readouterr().err
    overwrite(first, whole)
    assert prepare("celeba", str(root), 64, check=True).endswith(digest)


def same_size(content: bytes) -> bytes:
    """Another picture of as many bytes, as its last bytes are no part of it."""
    small = io.BytesIO()
    faces.draw(7, 7).save(small, "JPEG", quality=50)
    return small.getvalue().ljust(len(content), b"\0")


def test_an_image_of_the_same_size_is_seen_and_the_check_sees_it_whatever_its_times_say(
    root, monkeypatch, capsys
):
    first = photos(root) / "000001.jpg"
    digest, before = load_images("celeba", str(root), 0).digest(), first.stat()
    overwrite(first, same_size(first.read_bytes()))
    os.utime(first, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert first.stat().st_size == before.st_size
    other = load_images("celeba", str(root), 0).digest()  # by the time of the record
    assert other != digest
    stamp = archive.JpegFolder(photos(root)).stamp()
    monkeypatch.setattr(archive.JpegFolder, "stamp", lambda self: stamp)  # as if nothing differed
    capsys.readouterr()
    faces.draw(7, 8).save(first)
    assert load_images("celeba", str(root), 0).digest() == other
    assert decoded(capsys.readouterr().err) == 0
    assert not prepare("celeba", str(root), 64, check=True).endswith(other)
    assert "was made from other images" in capsys.readouterr().err


def test_the_check_reads_the_zip_to_its_last_image(root, capsys):
    path = to_zip(root)
    message = prepare("celeba", str(root), 64, check=False)
    stamp = archive.JpegArchive(path).stamp()
    flip(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(archive.JpegArchive, "stamp", lambda self: stamp)
        assert prepare("celeba", str(root), 64, check=False) == message
        with pytest.raises(UsageError, match=r"img_align_celeba.zip is damaged at .*000030.jpg"):
            prepare("celeba", str(root), 64, check=True)
    path.unlink()
    capsys.readouterr()
    assert prepare("celeba", str(root), 64, check=True) == message
    assert f"no images are below {root} to compare" in capsys.readouterr().err


def test_images_that_were_touched_alone_are_read_once_and_kept(root, monkeypatch, capsys):
    load_images("celeba", str(root), 0)
    os.utime(photos(root) / "000001.jpg")
    capsys.readouterr()
    load_images("celeba", str(root), 0)
    monkeypatch.setattr(archive, "fingerprint", None)  # the second time it is not needed
    load_images("celeba", str(root), 0)
    assert decoded(capsys.readouterr().err) == 0


def test_a_link_to_nothing_is_named_not_its_folder(root, home):
    digest = load_images("celeba", str(root), 0).digest()
    link = photos(root) / "000007.jpg"
    kept = home / "elsewhere.jpg"
    shutil.move(link, kept)
    link.symlink_to(kept)
    assert load_images("celeba", str(root), 0).digest() == digest
    kept.rename(home / "moved.jpg")
    with pytest.raises(UsageError, match=r"000007.jpg is a link to \S*elsewhere.jpg, which is not"):
        load_images("celeba", str(root), 0)
    shutil.rmtree(home / "cache")
    with pytest.raises(UsageError, match=r"000007.jpg is a link to") as error:
        load_images("celeba", str(root), 0)
    assert f"{photos(root)};" not in str(error.value)


@pytest.mark.parametrize("place", ["celeba", "celeba/list_eval_partition.txt"])
def test_links_to_nothing_in_place_of_celebas_folder_and_list_are_named(home, place):
    link = home / "data" / place
    link.parent.mkdir(parents=True)
    link.symlink_to("/nowhere")
    with pytest.raises(UsageError, match=rf"{link} is a link to /nowhere, which is not there"):
        load_images("celeba", str(home / "data"), 0)
    assert link.is_symlink()


def kaggle(root: Path) -> None:
    """As Kaggle's copy unpacks."""
    nested = photos(root) / "img_align_celeba"
    nested.mkdir()
    for photo in list(photos(root).glob("*.jpg")):
        photo.rename(nested / photo.name)
    rows = listing(root).read_text(encoding="utf-8").split()
    pairs = zip(rows[::2], rows[1::2], strict=True)
    text = "image_id,partition\n" + "".join(f"{name},{split}\n" for name, split in pairs)
    listing(root).with_suffix(".csv").write_text(text, encoding="utf-8")
    listing(root).unlink()


def drive_folders(root: Path) -> None:
    """As the authors' drive has it."""
    to_zip(root)
    for folder, name in (("Eval", listing(root).name), ("Img", "img_align_celeba.zip")):
        (root / "celeba" / folder).mkdir()
        (root / "celeba" / name).rename(root / "celeba" / folder / name)


def upper_case(root: Path) -> None:
    text = listing(root).read_text(encoding="utf-8")
    listing(root).write_text(text.replace(".jpg", ".JPG"), encoding="utf-8")
    for photo in list(photos(root).iterdir()):
        photo.rename(photo.with_suffix(".JPG"))


def upper_case_files(root: Path) -> None:
    for photo in list(photos(root).iterdir()):
        photo.rename(photo.with_suffix(".JPG"))


def mark_and_count(root: Path) -> None:
    text = listing(root).read_text(encoding="utf-8")
    listing(root).write_text(f"{COUNT}\n{text}", encoding="utf-8-sig")


def directly(root: Path) -> None:
    for path in list((root / "celeba").iterdir()):
        path.rename(root / path.name)
    (root / "celeba").rmdir()


def flat_zip(root: Path) -> None:
    with zipfile.ZipFile(root / "celeba" / "img_align_celeba.zip", "w") as archive:
        for photo in photos(root).iterdir():
            archive.write(photo, photo.name)
    shutil.rmtree(photos(root))


def empty_folder_and_zip(root: Path) -> None:
    to_zip(root)
    photos(root).mkdir()


LAYOUTS = [
    kaggle,
    drive_folders,
    upper_case,
    upper_case_files,
    mark_and_count,
    directly,
    flat_zip,
    empty_folder_and_zip,
]


@pytest.mark.parametrize("arrange", LAYOUTS)
def test_common_layouts_give_the_same_images(root, arrange, capsys):
    digest = load_images("celeba", str(root), 0).digest()
    arrange(root)
    assert load_images("celeba", str(root), 0).digest() == digest
    assert decoded(capsys.readouterr().err) == 1  # and need no cache of their own
    assert prepare("celeba", str(root), 64, check=True).endswith(digest)


def test_a_broken_image_is_named_as_it_is_called(root):
    upper_case_files(root)
    (photos(root) / "000007.JPG").write_bytes(b"")
    with pytest.raises(UsageError, match=r"000007.JPG is truncated or no JPEG"):
        load_images("celeba", str(root), 0)
    shutil.copyfile(photos(root) / "000008.JPG", photos(root) / "000008.jpeg")
    with pytest.raises(UsageError, match=r"000008.* is there as 000008.* too"):
        load_images("celeba", str(root), 0)


def test_a_zip_that_nests_as_kaggles_folder_does_is_read(root, capsys):
    digest = load_images("celeba", str(root), 0).digest()
    with zipfile.ZipFile(root / "celeba" / "img_align_celeba.zip", "w") as archive:
        for photo in photos(root).iterdir():
            archive.write(photo, f"img_align_celeba/img_align_celeba/{photo.name}")
    shutil.rmtree(photos(root))
    assert load_images("celeba", str(root), 0).digest() == digest


def test_what_lies_there_instead_is_said(home):
    folder = home / "data" / "celeba"
    folder.mkdir(parents=True)
    for name in ("archive.zip", "list_attr_celeba.csv", ".DS_Store"):
        (folder / name).write_bytes(b"")
    message = rf"\({folder} holds archive.zip, list_attr_celeba.csv\)"
    with pytest.raises(DataNotFound, match=message):
        load_images("celeba", str(home / "data"), 0)


def test_a_folder_of_images_that_may_not_be_read_is_one_sentence(root, monkeypatch):
    scandir = os.scandir

    def refuse(path):
        if Path(path) == photos(root):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(UsageError, match=r"img_align_celeba cannot be read: Permission denied"):
        load_images("celeba", str(root), 0)


def test_without_a_home_celeba_says_what_to_set(root, homeless):
    with pytest.raises(UsageError, match=r"no home folder for a cache; set XDG_CACHE_HOME"):
        load_images("celeba", str(root), 0)


def test_the_official_list_is_known_and_wants_all_its_images(root):
    ends = (162_770, 182_637)
    rows = [f"{k:06d}.jpg {sum(k > e for e in ends)}" for k in range(1, 202_600)]
    official = "".join(f"{row}\r\n" for row in rows).encode()
    md5 = {name: md5 for _, md5, name in CelebA.file_list}
    assert hashlib.md5(official).hexdigest() == md5["list_eval_partition.txt"]
    for content in (official, official.replace(b"\r\n", b"\n")):
        listing(root).write_bytes(content)
        counts = partition.read_partition(listing(root)).counts
        assert counts == (162_770, 19_867, 19_962)
        with pytest.raises(UsageError, match=r"202539 are not in .*, 000061.jpg the first"):
            load_images("celeba", str(root), 0)
    listing(root).write_bytes(official.replace(b"162770.jpg 0", b"162770.jpg 1"))
    with pytest.raises(UsageError, match=r"list_eval_partition.txt lists 202599 .* not CelebA's"):
        load_images("celeba", str(root), 0)


def edit(line: int, text: str):
    def spoil(root: Path) -> None:
        rows = listing(root).read_text(encoding="utf-8").splitlines()
        rows[line] = text
        listing(root).write_text("\n".join(rows), encoding="utf-8")

    return spoil


def picture(number: int, **change):
    """The image `number` of the first seed, written otherwise."""

    def spoil(root: Path) -> None:
        image, out = faces.draw(0, number), io.BytesIO()
        image = image.resize(change.get("size", image.size)).convert(change.get("mode", "RGB"))
        image.save(out, change.get("format", "JPEG"))
        (photos(root) / f"{number:06d}.jpg").write_bytes(out.getvalue()[: change.get("cut")])

    return spoil


BROKEN = {
    "a line of three": (edit(4, "000005.jpg 0 0"), r"list_eval.*has the line '000005.jpg 0 0'"),
    "a split of 3": (edit(4, "000005.jpg 3"), r"list_eval.*has the line '000005.jpg 3'"),
    "a form feed": (edit(4, "000005.jpg 0\f000006.jpg 0"), r"list_eval.*has the line '000005.jpg"),
    "a path": (edit(4, "../../000005.jpg 0"), r"list_eval.*has the line '../../000005.jpg 0'"),
    "twice": (edit(4, "000004.jpg 0"), r"list_eval.*lists an image twice"),
    "no test": (
        lambda root: listing(root).write_text(
            listing(root).read_text(encoding="utf-8").replace(".jpg 2", ".jpg 1"), encoding="utf-8"
        ),
        r"list_eval.*lists no image of the test split",
    ),
    "binary list": (
        lambda root: listing(root).write_bytes(b"\xff\xfe\x00"),
        r"list_eval.*cannot be read as text",
    ),
    "another count": (
        lambda root: listing(root).write_text(
            f"61\n{listing(root).read_text(encoding='utf-8')}", encoding="utf-8"
        ),
        r"list_eval.*says that it lists 61 images and lists 60",
    ),
    "an image gone": (
        lambda root: (photos(root) / "000007.jpg").unlink(),
        r"lists 60 images, of which 1 are not in .*img_align_celeba, 000007.jpg the first",
    ),
    "an image too many": (
        lambda root: faces.draw(0, 99).save(photos(root) / "000099.jpg"),
        r"img_align_celeba holds 61 images where .*list_eval_partition.txt lists 60",
    ),
    "a shorter list": (
        lambda root: listing(root).write_text(
            "\n".join(listing(root).read_text(encoding="utf-8").split("\n")[2:]), encoding="utf-8"
        ),
        r"img_align_celeba holds 60 images where .*list_eval_partition.txt lists 58",
    ),
    "truncated": (picture(9, cut=-900), r"000009.jpg is truncated or no JPEG"),
    "empty": (picture(9, cut=0), r"000009.jpg is truncated or no JPEG"),
    "a PNG": (picture(9, format="PNG"), r"000009.jpg is truncated or no JPEG"),
    "wrong size": (picture(9, size=(179, 218)), r"000009.jpg is 179 x 218 pixels where 178 x 218"),
    "huge": (picture(9, size=(20_000, 1)), r"000009.jpg is 20000 x 1 pixels where 178 x 218"),
    "grey": (picture(9, mode="L"), r"000009.jpg is of mode L where RGB is expected"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_is_one_sentence_and_is_no_cache(root, home, name, drawn):
    spoil, sentence = BROKEN[name]
    spoil(root)
    for source in ("folder", "zip"):
        with pytest.raises(UsageError, match=sentence.replace("img_align_celeba", r"img_align\S*")):
            load_images("celeba", str(root), 0)
        assert not list((home / "cache").rglob("cache.json"))
        if source == "folder":
            to_zip(root)
    shutil.rmtree(root)
    shutil.copytree(drawn, root)
    assert len(load_images("celeba", str(root), 0).train) == 48


def members(*added: tuple[str, bytes]):
    """The zip with members of other names or sizes."""

    def spoil(path: Path) -> None:
        with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
            for name, content in added:
                archive.writestr(name, content)

    return spoil


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[content.find(b"000030.jpg") + 400] ^= 255
    path.write_bytes(content)


BROKEN_ZIPS = {
    "no zip": (lambda p: p.write_bytes(b"<html>Quota exceeded</html>"), "is not a readable zip"),
    "cut": (lambda p: p.write_bytes(p.read_bytes()[:-2000]), "is not a readable zip"),
    "flipped": (flip, r"is damaged at img_align_celeba/000030.jpg"),
    "up": (members(("img_align_celeba/../../x.jpg", b"")), "has a member that leaves its folder"),
    "absolute": (members(("/etc/x.jpg", b"")), "has a member that leaves its folder: /etc/x.jpg"),
    "a bomb": (
        members(("img_align_celeba/000061.jpg", bytes(1 << 25))),
        r"has img_align_celeba/000061.jpg of 33554432 bytes, where a JPEG of CelebA has under",
    ),
    "one more": (members(("img_align_celeba/000061.jpg", b"x")), "holds 61 images where"),
}


@pytest.mark.parametrize("name", BROKEN_ZIPS)
def test_a_zip_that_is_not_to_be_trusted_is_named_and_nothing_of_it_is_used(root, home, name):
    spoil, sentence = BROKEN_ZIPS[name]
    path = to_zip(root)
    spoil(path)
    with pytest.raises(UsageError, match=rf"img_align_celeba.zip {sentence}"):
        load_images("celeba", str(root), 0)
    assert not list((home / "cache").rglob("cache.json"))
    assert sorted(p.name for p in (root / "celeba").iterdir()) == [path.name, listing(root).name]


def test_files_that_are_no_images_do_not_count(root):
    (photos(root) / ".DS_Store").write_bytes(b"")
    (photos(root) / "._000001.jpg").write_bytes(b"")
    (photos(root) / "Thumbs.db").write_bytes(b"")
    assert len(load_images("celeba", str(root), 0).train) == 48


def test_a_bit_flip_and_a_truncation_are_seen_and_mended(root, home, capsys):
    digest = load_images("celeba", str(root), 0).digest()
    file = cached(home) / "pixels.u8"
    whole = file.read_bytes()
    flipped = whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:]
    for wrong, phrase in ((flipped, "is not what was written"), (whole[:-1], "bytes where 737280")):
        file.write_bytes(wrong)
        capsys.readouterr()
        assert load_images("celeba", str(root), 0).digest() == digest
        assert phrase in capsys.readouterr().err
        assert file.read_bytes() == whole
    file.unlink()
    assert load_images("celeba", str(root), 0).digest() == digest
    (cached(home) / "cache.json").write_text('{"made_from"', encoding="utf-8")
    assert load_images("celeba", str(root), 0).digest() == digest
    assert file.read_bytes() == whole


def test_a_touched_file_is_verified_once_and_kept(root, home, capsys):
    load_images("celeba", str(root), 0)
    file, record = cached(home) / "pixels.u8", cached(home) / "cache.json"
    node, capsys_before = file.stat().st_ino, capsys.readouterr()
    os.utime(file, ns=(1, 1))
    load_images("celeba", str(root), 0)
    assert decoded(capsys_before.err) == 1
    assert decoded(capsys.readouterr().err) == 0
    assert file.stat().st_ino == node
    assert '"mtime_ns": 1\n' in record.read_text(encoding="utf-8")


def test_the_explicit_check_sees_what_left_the_files_time_alone(root, home, capsys):
    message = prepare("celeba", str(root), 64, check=True)
    assert "48 images to train, 6 to validate, 6 to test, 3 x 64 x 64, SHA-256" in message
    file = cached(home) / "pixels.u8"
    whole, time = file.read_bytes(), file.stat().st_mtime_ns
    file.write_bytes(bytes([whole[0] ^ 1]) + whole[1:])
    os.utime(file, ns=(time, time))
    capsys.readouterr()
    assert prepare("celeba", str(root), 64, check=False) == message  # by size and time it is whole
    assert decoded(capsys.readouterr().err) == 0
    assert prepare("celeba", str(root), 64, check=True) == message
    assert "is not what was written (SHA-256)" in capsys.readouterr().err
    assert file.read_bytes() == whole


@pytest.fixture
def counted(monkeypatch):
    """How many images are decoded, and after which of them a person interrupts."""
    state = SimpleNamespace(count=0, stop=None)
    decode = dataset.decode

    def counting(content, size):
        state.count += 1
        if state.count == state.stop:
            raise KeyboardInterrupt
        return decode(content, size)

    monkeypatch.setattr(dataset, "decode", counting)
    monkeypatch.setattr(archive, "THREADS", 1)
    return state


def test_interrupted_caching_goes_on_from_the_last_whole_chunk(root, home, counted):
    counted.stop = 40  # in the third chunk of 16
    with pytest.raises(KeyboardInterrupt):
        load_images("celeba", str(root), 0)
    counted.stop, counted.count = None, 0
    digest = load_images("celeba", str(root), 0).digest()
    assert counted.count == 60 - 2 * 16
    assert sorted(p.name for p in cached(home).iterdir()) == ["cache.json", "pixels.u8"]
    shutil.rmtree(home / "cache")
    assert load_images("celeba", str(root), 0).digest() == digest


def test_a_half_cache_that_was_damaged_or_is_of_other_images_is_not_gone_on_with(
    root, home, counted
):
    def interrupt():
        counted.stop, counted.count = 40, 0
        with pytest.raises(KeyboardInterrupt):
            load_images("celeba", str(root), 0)
        counted.stop, counted.count = None, 0

    interrupt()
    (partial,) = (home / "cache").rglob("pixels.u8")
    with open(partial, "r+b") as f:
        f.seek(20 * 3 * 64 * 64)  # an image of the second chunk
        f.write(b"damage")
    digest = load_images("celeba", str(root), 0).digest()
    assert counted.count == 60 - 16
    shutil.rmtree(home / "cache")
    interrupt()
    faces.draw(7, 7).save(photos(root) / "000001.jpg")
    assert load_images("celeba", str(root), 0).digest() != digest
    assert counted.count == 60


CHILD = """
import os, sys
from pathlib import Path
from annealed.data.celeba import archive, dataset, pixel_cache
from annealed.utils.errors import UsageError
pixel_cache.CHUNK, archive.THREADS = 16, 1
root, kill, limit = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
decode, seen = dataset.decode, []
def counting(content, size):
    seen.append(size)
    if len(seen) == kill:
        os.kill(os.getpid(), 9)
    return decode(content, size)
dataset.decode = counting
if limit:
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    print(dataset.load(root, 64).digest, len(seen))
except UsageError as error:
    print(error)
"""


def child(root: Path, kill: int = 0, limit: int = 0) -> subprocess.Popen:
    """A process that loads the faces, dies at an image, or may write no file beyond `limit`."""
    command = [sys.executable, "-c", CHILD, str(root), str(kill), str(limit)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, encoding="utf-8")


def test_caching_killed_outright_goes_on(root, home, counted):
    process = child(root, kill=40)
    process.communicate()
    assert process.returncode == -9
    assert not list((home / "cache").rglob("cache.json"))
    digest = load_images("celeba", str(root), 0).digest()
    assert counted.count == 60 - 2 * 16
    shutil.rmtree(home / "cache")
    assert load_images("celeba", str(root), 0).digest() == digest


def test_two_processes_at_once_make_the_cache_once(root, home):
    cellar = home / "cache" / "annealed" / "celeba"
    with locked(cellar, "the cache"):
        both = [child(root) for _ in range(2)]
        waiting = [process.stderr.readline() for process in both]
    answers = [process.communicate() for process in both]
    assert all("waiting for another process that has the cache" in line for line in waiting)
    assert [process.returncode for process in both] == [0, 0]
    assert sorted(out.split()[1] for out, _ in answers) == ["0", "60"]  # images each decoded
    digest = load_images("celeba", str(root), 0).digest()
    assert {out.split()[0] for out, _ in answers} == {digest}
    assert sha256((cached(home) / "pixels.u8").read_bytes()) == digest


def test_a_full_disk_is_one_sentence_and_leaves_nothing(root, home):
    message, trouble = child(root, limit=300_000).communicate()
    assert "Traceback" not in trouble
    assert "cannot be written: File too large; it takes 0.00074 GB: free some space" in message
    assert not [p for p in (home / "cache").rglob("*") if p.is_file() and p.name != ".lock"]
    assert len(load_images("celeba", str(root), 0).train) == 48


def test_a_cache_in_a_folder_that_cannot_be_written_is_used(root, home):
    digest = load_images("celeba", str(root), 0).digest()
    os.utime(photos(root) / "000001.jpg")  # so that the record would be written again
    record = (cached(home) / "cache.json").read_text(encoding="utf-8")
    (
        cached(home) / f".cache.json.{os.getpid()}.partial"
    ).mkdir()  # in the way of that, even for root
    assert load_images("celeba", str(root), 0).digest() == digest
    assert (cached(home) / "cache.json").read_text(encoding="utf-8") == record


def test_missing_files_say_where_to_put_which(home):
    with pytest.raises(DataNotFound, match=r"celeba: list_eval_partition.txt is not in") as error:
        load_images("celeba", str(home / "data"), 0)
    for _, md5, name in CelebA.file_list:
        wanted = name in ("list_eval_partition.txt", "img_align_celeba.zip")
        assert (f"{name} (MD5 {md5})" in str(error.value)) == wanted
        assert (f"`celeba/{name}` (MD5 {md5})" in GUIDE.read_text(encoding="utf-8")) == wanted
    assert "'gdown' is required" in str(error.value)
    assert not [p for p in home.rglob("*") if p.is_file() and p.name != ".lock"]


def test_images_without_their_folder_are_not_sought_for_another_list(root):
    shutil.rmtree(photos(root))
    with pytest.raises(DataNotFound, match=r"img_align_celeba or img_align_celeba.zip is not in"):
        load_images("celeba", str(root), 0)


def drive(monkeypatch, answer):
    """gdown, with `answer(output path)` in place of the network."""

    def download(id, output, quiet, user_agent):
        answer(Path(output))

    monkeypatch.setitem(sys.modules, "gdown", SimpleNamespace(download=download))


class FileURLRetrievalError(Exception):
    """As gdown's, of no common base."""


QUOTA = """Failed to retrieve file url:

\tToo many users have viewed or downloaded this file recently. Please
\ttry accessing the file again later.
"""


def test_the_spent_quota_is_explained(home, monkeypatch):
    def refuse(path):
        path.write_bytes(b"half")
        raise FileURLRetrievalError(QUOTA)

    drive(monkeypatch, refuse)
    with pytest.raises(DataNotFound, match=r"\(Google Drive's quota for this file is spent") as e:
        load_images("celeba", str(home / "data"), 0)
    assert "\n" not in str(e.value)
    assert not [p for p in (home / "data").rglob("*") if p.is_file()]


def test_a_page_in_place_of_the_file_is_refused(home, monkeypatch):
    drive(monkeypatch, lambda path: path.write_bytes(b"<html>Sign in</html>"))
    with pytest.raises(
        DataNotFound, match=r"could not be downloaded \(File not found or corrupted"
    ):
        load_images("celeba", str(home / "data"), 0)
    assert not [p for p in (home / "data").rglob("*") if p.is_file()]


def test_what_drive_gives_whole_is_used(root, home, monkeypatch):
    store, target = home / "store", home / "fresh"
    shutil.move(to_zip(root).parent, store)
    md5 = {p.name: hashlib.md5(p.read_bytes()).hexdigest() for p in store.iterdir()}
    monkeypatch.setattr(
        "annealed.data.celeba.download.ADDRESSES", {name: (name, md5[name]) for name in md5}
    )
    monkeypatch.setattr(partition, "OFFICIAL", COUNT)  # the fixture's own list and checksums
    monkeypatch.setattr(partition, "LIST_MD5", md5["list_eval_partition.txt"])
    drive(monkeypatch, lambda path: shutil.copyfile(store / path.name, path))
    assert len(load_images("celeba", str(target), 0).train) == 48
    assert sorted(p.name for p in (target / "celeba").iterdir()) == sorted(md5)


def test_the_size_is_a_key_that_old_runs_need_not_have():
    assert configuration.load("vae", ["data.name=celeba", "data.size=32"]).data.size == 32
    for wrong in ("48", "64.0", "true", "big"):
        with pytest.raises(UsageError, match=r"data.size is .*; accepted: one of 32, 64"):
            configuration.load("vae", [f"data.size={wrong}"])
    values = configuration.to_dict(configuration.load("vae", []))
    del values["data"]["size"]
    assert configuration.from_dict(values).data.size == 64


def test_the_command_tells_what_is_there_and_what_is_wrong(root, home, capsys):
    assert "48 images to train, 6 to validate, 6 to test, 3 x 32 x 32" in prepare(
        "celeba", str(root), 32, check=False
    )
    assert len(capsys.readouterr().err.splitlines()) == 1  # no bar where there is no terminal
    (photos(root) / "000007.jpg").write_bytes(b"")
    message = sentence(annealed("prepare", "celeba", "--root", root, cwd=home))
    assert "000007.jpg is truncated or no JPEG" in message


def test_making_a_cache_takes_the_memory_of_a_chunk(home):
    images, width = 2048, 3 * 32 * 32
    cache = pixel_cache.PixelCache(home / "cache", images, width)

    def produce(first, last):
        return np.full((last - first, width), first % 251, np.uint8)

    tracemalloc.start()
    cache.build({"images": images}, {}, produce, lambda done: None)
    assert (cache.open()[:, 0] == torch.arange(images) // 16 * 16 % 251).all()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < images * width / 2
