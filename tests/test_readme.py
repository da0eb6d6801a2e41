import re
import subprocess
import sys
import zipfile

import pytest
import yaml
from conftest import ROOT, TINY, annealed, sentence

README = (ROOT / "README.md").read_text()


def blocks() -> dict[str, str]:
    """README's code blocks whose first line names a file."""
    found = re.findall(r"```\w+\n(# (\S+)\n.*?)```", README, flags=re.DOTALL)
    return {name: text for text, name in found}


def test_the_row_of_the_readme_runs_from_outside_the_package(tmp_path):
    files = blocks()
    assert {"full_rank.py", "full_rank.yaml"} <= files.keys()
    for name in ("full_rank.py", "full_rank.yaml"):
        (tmp_path / name).write_text(files[name])
    command = ["fit", "--config", "full_rank.yaml", *TINY]
    assert "--allow-import" in sentence(annealed(*command, cwd=tmp_path))
    result = annealed(*command, "--allow-import", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    folder = tmp_path / "runs" / "quick" / "digits" / "full_rank" / "seed0"
    assert (folder / "result.json").exists()
    scored = annealed("evaluate", folder, "--samples", "30", "--allow-import", cwd=tmp_path)
    assert scored.returncode == 0, scored.stderr


@pytest.mark.parametrize("name", ["full_rank.Nothing", "nothing.FullRank", "os.path"])
def test_a_dotted_path_that_is_no_method_is_refused(tmp_path, name):
    (tmp_path / "full_rank.py").write_text(blocks()["full_rank.py"])
    command = ["fit", "--config", "vae", f"method.name={name}", "--allow-import"]
    assert f"method.name is '{name}'" in sentence(annealed(*command, cwd=tmp_path))


def test_the_readmes_table_is_the_committed_one():
    table = (ROOT / "reports" / "short" / "nll_table.md").read_text()
    rows = [line for line in table.splitlines() if line.startswith("|")]
    assert len(rows) >= 5
    for row in rows:
        assert row in README


def test_every_make_target_of_the_readme_exists_and_helps():
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True).stdout
    for target in re.findall(r"make ([a-z-]+)", README):
        assert f"make {target} " in shown, target


def test_the_wheel_carries_its_configurations_to_any_folder(tmp_path):
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*build, "-w", str(tmp_path), str(ROOT)], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("annealed-*.whl")
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    result = annealed(
        "fit", "--config", "hvi_avo.yaml", "--print-config", cwd=tmp_path, PYTHONPATH=str(site)
    )
    assert result.returncode == 0, result.stderr
    assert yaml.safe_load(result.stdout)["method"]["name"] == "hvi_avo"
    packaged = {p.relative_to(site / "annealed" / "configs") for p in site.rglob("*.yaml")}
    assert packaged == {p.relative_to(ROOT / "configs") for p in (ROOT / "configs").rglob("*.yaml")}
