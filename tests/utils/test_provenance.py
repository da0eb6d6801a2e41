"""The commit a result names, and when it says that the code was changed."""

import hashlib
import subprocess
from pathlib import Path

import pytest

from annealed.utils import provenance


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A repository with one commit, from which `provenance` seems to run."""
    for name in ("src/annealed/utils/provenance.py", "reports/page.md", "configs/vae.yaml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("first\n")
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*git, *arguments], check=True)
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "src/annealed/utils/provenance.py"))
    return tmp_path


def test_a_clean_checkout_is_its_commit(checkout):
    head = subprocess.check_output(["git", "-C", checkout, "rev-parse", "HEAD"], text=True)
    assert provenance.commit() == head.strip()


@pytest.mark.parametrize("name", ["src/annealed/utils/provenance.py", "configs/vae.yaml"])
def test_changed_code_or_configuration_is_dirty(checkout, name):
    (checkout / name).write_text("second\n")
    assert provenance.commit().endswith("-dirty")


def test_a_page_that_runs_wrote_is_not(checkout):
    (checkout / "reports/page.md").write_text("second\n")
    assert not provenance.commit().endswith("-dirty")
    (checkout / "configs/vae.yaml").unlink()
    assert provenance.commit().endswith("-dirty")


def test_files_that_the_commit_does_not_hold_are_named_with_their_digest(
    checkout, tmp_path_factory, monkeypatch
):
    monkeypatch.chdir(checkout)
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "row.yaml"
    for path in (checkout / "configs" / "närrisch row.yaml", elsewhere):
        path.write_text("method: {name: vae}\n")
    paths = [Path("configs/vae.yaml"), Path("configs/närrisch row.yaml"), elsewhere]
    digest = hashlib.sha256(b"method: {name: vae}\n").hexdigest()
    names = ["configs/närrisch row.yaml", str(elsewhere)]
    outside = [{"path": name, "sha256": digest} for name in names]
    assert provenance.outside_commit([*paths, *paths]) == outside
    assert provenance.outside_commit(paths[:1]) == []


def test_without_a_checkout_the_packages_files_are_its_versions(tmp_path, monkeypatch):
    package = tmp_path / "annealed"
    monkeypatch.setattr(provenance, "__file__", str(package / "utils" / "provenance.py"))
    for path in (package / "configs" / "vae.yaml", tmp_path / "vae.yaml"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("first\n")
    monkeypatch.chdir(tmp_path)
    paths = [package / "configs" / "vae.yaml", tmp_path / "vae.yaml"]
    assert [file["path"] for file in provenance.outside_commit(paths)] == ["vae.yaml"]


def test_code_outside_a_checkout_is_unknown(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "provenance.py"))
    assert provenance.commit().startswith("unknown")
