"""The commit a result names, and when it says that the code was changed."""

import subprocess

import pytest

from annealed.utils import provenance


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A repository with one commit, from which `provenance` seems to run."""
    for name in ("src/annealed/utils/provenance.py", "reports/page.md", "configs/vae.yaml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("first\n", encoding="utf-8")
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*git, *arguments], check=True)
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "src/annealed/utils/provenance.py"))
    return tmp_path


def test_a_clean_checkout_is_its_commit(checkout):
    head = subprocess.check_output(["git", "-C", checkout, "rev-parse", "HEAD"], encoding="utf-8")
    assert provenance.commit() == head.strip()


@pytest.mark.parametrize("name", ["src/annealed/utils/provenance.py", "configs/vae.yaml"])
def test_changed_code_or_configuration_is_dirty(checkout, name):
    (checkout / name).write_text("second\n", encoding="utf-8")
    assert provenance.commit().endswith("-dirty")


def test_a_page_that_runs_wrote_is_not(checkout):
    (checkout / "reports/page.md").write_text("second\n", encoding="utf-8")
    assert not provenance.commit().endswith("-dirty")
    (checkout / "configs/vae.yaml").unlink()
    assert provenance.commit().endswith("-dirty")


def test_code_outside_a_checkout_is_unknown(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "provenance.py"))
    assert provenance.commit().startswith("unknown")
