"""The commit a result names, and when it says that the code was changed."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from annealed.utils import provenance


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A repository with one commit, from which `provenance` seems to run.

    Git reads no configuration of the machine, which may trust every folder.
    """
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.delenv("GIT_CONFIG_COUNT", raising=False)
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


def test_files_that_the_commit_does_not_hold_are_named_with_their_digest(
    checkout, tmp_path_factory, monkeypatch
):
    monkeypatch.chdir(checkout)
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "row.yaml"
    for path in (checkout / "configs" / "närrisch row.yaml", elsewhere):
        path.write_text("method: {name: vae}\n", encoding="utf-8")
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
        path.write_text("first\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    paths = [package / "configs" / "vae.yaml", tmp_path / "vae.yaml"]
    assert [file["path"] for file in provenance.outside_commit(paths)] == ["vae.yaml"]


def test_code_outside_a_checkout_is_unknown(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "provenance.py"))
    assert provenance.commit() == "unknown: not run from a git checkout"
    assert message(capsys) == ""  # so is every installed wheel


def test_code_that_a_checkout_does_not_track_is_no_part_of_it(checkout, monkeypatch, capsys):
    environment = checkout / ".venv" / "provenance.py"
    environment.parent.mkdir()
    environment.write_text("", encoding="utf-8")
    monkeypatch.setattr(provenance, "__file__", str(environment))
    assert provenance.commit() == "unknown: not run from a git checkout"
    assert message(capsys) == ""


def message(capsys) -> str:
    """What the start of a run says of the commit."""
    capsys.readouterr()
    provenance.tell_unknown_commit(provenance.commit())
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GIT_DIR", "/nowhere"),
        ("GIT_WORK_TREE", "/"),
        ("GIT_INDEX_FILE", "/nowhere/index"),
        ("GIT_OBJECT_DIRECTORY", "/nowhere"),
        ("GIT_CEILING_DIRECTORIES", "/"),
        ("GIT_LITERAL_PATHSPECS", "1"),
    ],
)
def test_variables_of_git_that_point_elsewhere_change_nothing(checkout, monkeypatch, name, value):
    expected = provenance.commit()
    monkeypatch.setenv(name, str(checkout.parent) if name == "GIT_CEILING_DIRECTORIES" else value)
    assert provenance.commit() == expected
    assert len(expected) == 40


def test_a_checkout_of_another_user_is_explained_with_what_mends_it(checkout, monkeypatch, capsys):
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    assert "git does not trust the checkout, which another user owns" in provenance.commit()
    sentence = message(capsys)
    assert f"`git config --global --add safe.directory {checkout}`" in sentence
    assert len(sentence.splitlines()) == 1
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "safe.directory")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", str(checkout))
    assert len(provenance.commit()) == 40
    assert message(capsys) == ""


def without_head(checkout):
    (checkout / ".git" / "HEAD").unlink()


def without_objects(checkout):
    shutil.rmtree(checkout / ".git" / "objects")


def with_a_half_index(checkout):
    (checkout / ".git" / "index").write_bytes(b"DIRC")


def of_a_worktree_that_is_gone(checkout):
    shutil.rmtree(checkout / ".git")
    (checkout / ".git").write_text("gitdir: /nowhere/worktrees/a", encoding="utf-8")


@pytest.mark.parametrize(
    "spoil", [without_head, without_objects, with_a_half_index, of_a_worktree_that_is_gone]
)
def test_a_broken_repository_is_explained_in_one_sentence(checkout, spoil, capsys):
    spoil(checkout)
    assert provenance.commit().startswith("unknown: git cannot read the checkout (fatal: ")
    assert len(message(capsys).splitlines()) == 1


def test_a_checkout_without_git_is_explained(checkout, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(checkout))
    assert provenance.commit() == "unknown: git is not installed"
    assert message(capsys) == "results will not name their commit: git is not installed\n"
