"""Text is UTF-8 whatever the locale: every call that takes an encoding names it.

Ruff's PLW1514 sees the calls whose type it can infer, a tenth of them.
"""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT

OPENERS = {"open", "fdopen", "NamedTemporaryFile", "TemporaryFile"}  # text or bytes, by their mode
ALWAYS_TEXT = {"TextIOWrapper", "FileHandler", "loadtxt", "savetxt", "genfromtxt"}
POSITION = {"read_text": 0, "write_text": 1}  # of the encoding, where it has no name
NO_ENCODING = {"getoutput", "getstatusoutput"}  # calls that take none: text by the locale


def is_text_by_locale(call: ast.Call) -> bool:
    """Whether a call reads or writes text in whatever encoding the locale has."""
    name = getattr(call.func, "id", getattr(call.func, "attr", ""))
    keywords = {keyword.arg: keyword.value for keyword in call.keywords}
    if name in NO_ENCODING:
        return True
    if "encoding" in keywords:
        return False
    if name in POSITION:
        return len(call.args) <= POSITION[name]
    if name in OPENERS:
        values = [getattr(v, "value", None) for v in (*call.args, keywords.get("mode"))]
        modes = [v for v in values if isinstance(v, str) and v and set(v) <= set("rwaxbt+")]
        builtin = isinstance(call.func, ast.Name) and name == "open"
        return "b" not in modes[0] if modes else builtin
    text = [keywords.get(key) for key in ("text", "universal_newlines")]
    return name in ALWAYS_TEXT or any(value is not None for value in text)


def unnamed(path: Path) -> Iterator[str]:
    """Where a file of Python leaves an encoding to the locale."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and is_text_by_locale(node):
            yield f"{path}:{node.lineno}: {ast.unparse(node.func)}() names no encoding"


@pytest.mark.parametrize("folder", ["src", "reproduce", "tests"])
def test_every_text_that_is_read_or_written_names_its_encoding(folder):
    files = sorted((ROOT / folder).rglob("*.py"))
    assert files
    assert [line for path in files for line in unnamed(path)] == []


@pytest.mark.parametrize(
    ("code", "count"),
    [
        ("open(path)", 1),
        ("open(path, 'a')", 1),
        ("open(path, mode='w')", 1),
        ("open(path, 'rb')", 0),
        ("open(path, encoding='utf-8')", 0),
        ("path.open('w')", 1),
        ("cache.open()", 0),
        ("os.open(path, os.O_RDONLY)", 0),
        ("gzip.open(path, 'rt')", 1),
        ("path.read_text()", 1),
        ("path.read_text('ascii')", 0),
        ("path.write_text(text)", 1),
        ("path.write_text(text, encoding='utf-8')", 0),
        ("subprocess.run(command, text=True)", 1),
        ("subprocess.run(command, text=True, encoding='utf-8')", 0),
        ("subprocess.getoutput(command)", 1),
        ("np.savetxt(path, x)", 1),
    ],
)
def test_a_planted_text_without_encoding_is_seen(code, count, tmp_path):
    path = tmp_path / "planted.py"
    path.write_text(code, encoding="utf-8")
    assert len(list(unnamed(path))) == count


def in_ascii(code: str, **options) -> subprocess.CompletedProcess:
    """Run Python under a locale that has ASCII alone."""
    locale = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}
    locale["PYTHONPATH"] = str(ROOT)
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env={**os.environ, **locale}, capture_output=True, **options)


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_terminal_of_ascii_is_shown_escapes_and_no_traceback(stream):
    code = "import sys; from annealed.runs import cli\n"
    code += f"sys.exit(cli.run(lambda: print('d\\u00e9j\\u00e0 \\u2713', file=sys.{stream}), ''))"
    done = in_ascii(code)
    assert (done.returncode, getattr(done, stream)) == (0, b"d\\xe9j\\xe0 \\u2713\n")


def test_what_is_written_and_read_back_is_the_same_in_any_locale(tmp_path):
    code = "from pathlib import Path; from annealed.utils.files import replace_text\n"
    code += "from reproduce.table.readme import read\n"
    code += "replace_text(Path('README.md'), 'd\\u00e9j\\u00e0'); assert len(read(Path())) == 4"
    done = in_ascii(code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == "d\u00e9j\u00e0"
