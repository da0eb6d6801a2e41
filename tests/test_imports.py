import re
import sys

from conftest import ROOT

from reproduce.benchmark.__main__ import PEERS


def names(text: str) -> set[str]:
    """Package names at the start of requirement lines."""
    return {
        re.split(r"[<>=!~\[; ]", line, maxsplit=1)[0].lower() for line in text.split("\n") if line
    }


def test_every_package_that_the_code_imports_is_declared_and_locked():
    imported = set()
    for path in [*(ROOT / "src").rglob("*.py"), *(ROOT / "reproduce").rglob("*.py")]:
        imported |= set(
            re.findall(
                r"^(?:from|import) (\w+)", path.read_text(encoding="utf-8"), flags=re.MULTILINE
            )
        )
    local = {"annealed", "reproduce"}
    distribution = {
        "PIL": "torchvision",  # which draws with it
        "markdown_it": "markdown-it-py",
        "markupsafe": "jinja2",  # whose strings they are
        "sklearn": "scikit-learn",
        "yaml": "omegaconf",  # which reads with it
        "lightning_fabric": "pytorch-lightning",
        "pytorch_lightning": "pytorch-lightning",
        "typing_extensions": "typing-extensions",
        "wandb_workspaces": "wandb-workspaces",
    }
    needed = {distribution.get(name, name) for name in imported - local - sys.stdlib_module_names}
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    blocks = re.search(r"^dependencies = \[(.*?)^\]", text, re.M | re.S)[1]
    blocks += re.search(r"^dashboard = \[(.*)\]", text, re.M)[1]  # asked for where it is used
    declared = names("\n".join(re.findall(r'"(.+?)"', blocks)))
    peers = names("\n".join(PEERS))  # which the benchmark installs into a folder of their own
    assert needed - peers <= declared
    assert declared <= names((ROOT / "requirements.lock").read_text(encoding="utf-8"))


def test_the_extra_for_clusters_is_locked_on_top_of_the_rest():
    extra = re.search(
        r"^cluster = \[(.*)\]", (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.M
    )[1]
    declared = names("\n".join(re.findall(r'"(.+?)"', extra)))
    locked = names((ROOT / "requirements-cluster.lock").read_text(encoding="utf-8"))
    assert declared == {"ray"}
    assert declared <= locked
    assert not locked - {"#"} & names((ROOT / "requirements.lock").read_text(encoding="utf-8"))
