import argparse
import os
import sys
from importlib import import_module

import pytest

from annealed.data.locations import data_root
from annealed.utils.errors import UsageError
from annealed.utils.paths import argument, expanded


def test_a_home_folder_is_written_out_at_the_start_alone(monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    assert expanded("~/a b") == "/home/someone/a b"
    for text in ("a/~b", "./~b", "", "a b", "a:b", "http:/x", "é"):
        assert expanded(text) == text


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("s3://bucket/r", "is a URL"),
        ("FILE:///r", "is a URL"),
        ("~nosuchuser", "begins with the home folder of a user who is not known"),
        ("~nosuchuser/data", "begins with the home folder of a user who is not known"),
        ("é" * 130, "is too long"),  # 260 bytes
        ("a/" * 2000, "is too long"),
        ("a\0b", "holds a null character"),
    ],
)
def test_what_no_disk_has_is_refused_and_named(text, problem, monkeypatch):
    with pytest.raises(ValueError, match=problem):
        expanded(text)
    with pytest.raises(UsageError, match=rf"^--runs is '.*, which {problem}.*; accepted: .*\.$"):
        argument("--runs")(text)
    if "\0" not in text:  # which no environment holds
        monkeypatch.setenv("ANNEALED_DATA", text)
        with pytest.raises(UsageError, match=f"^ANNEALED_DATA is '.*, which {problem}"):
            data_root(None)


def test_a_home_that_is_not_known_is_told(monkeypatch):
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", lambda uid: (_ for _ in ()).throw(KeyError(uid)))
    with pytest.raises(ValueError, match="not known here"):
        expanded("~/x")


def test_an_argument_is_the_path_as_a_kind():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=argument("--runs", lambda text: [text]), default="runs")
    assert parser.parse_args(["--runs", "a b"]).runs == ["a b"]
    assert parser.parse_args([]).runs == ["runs"]


@pytest.mark.parametrize(
    "command",
    [
        ["reproduce", "--runs"],
        ["reproduce.table.pictures", "--runs"],
        ["reproduce.table.pictures", "--output"],
        ["reproduce.experiments.toys", "--runs"],
        ["reproduce.experiments.celeba", "--fid-weights"],
        ["reproduce.experiments.worker", "toys", "--seeds", "1", "--unit", "x", "--runs"],
        ["reproduce.checks.rerun", "x", "--runs"],
        ["reproduce.tracking.sync", "--runs"],
        ["reproduce.tracking.dashboard", "--runs"],
        ["annealed.prepare", "digits", "--root"],
        ["annealed.evaluate", "x", "--output"],
        ["annealed.evaluate"],
        ["annealed.fit", "--config"],
    ],
    ids=" ".join,
)
def test_every_command_refuses_a_url_for_a_path_in_one_sentence(command, tmp_path, monkeypatch):
    module, *arguments = command
    module = import_module("reproduce.__main__" if module == "reproduce" else module)
    entry = module if hasattr(module, "main") else import_module(f"{module.__name__}.__main__")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [command[0], *arguments, "s3://bucket/x"])
    with pytest.raises(UsageError, match=r"is 's3://bucket/x', which is a URL; accepted: a path"):
        entry.main()
    assert os.listdir(tmp_path) == []
