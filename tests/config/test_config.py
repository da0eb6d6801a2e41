import pytest
from conftest import ROOT

from annealed import config as configuration
from annealed.config import from_dict, load, loader, read_resolved, to_dict, to_yaml
from annealed.config.registry import METHODS, method_class
from annealed.utils.errors import UsageError


def test_every_row_loads_under_every_preset_and_data_set():
    rows = {p.stem for p in (ROOT / "configs").glob("*.yaml")} - {"base"}
    assert rows == set(METHODS)
    for row in rows:
        for preset in ("quick", "ablation", "short", "paper"):
            for data in ("mnist", "mnist_static", "digits"):
                config = load(row, [f"preset={preset}", f"data.name={data}"])
                assert (config.row, config.preset, config.data.name) == (row, preset, data)


def test_paper_is_the_protocol():
    c = load("hvi_avo.yaml", ["preset=paper"])
    assert (c.network.latent, c.network.hidden, c.network.layers) == (40, 300, 2)
    assert c.network.decoder == "dense"
    assert (c.optimiser.learning_rate, c.optimiser.milestones) == (2e-4, [])
    assert (c.trainer.epochs, c.trainer.patience, c.trainer.warmup_epochs) == (5000, 100, 200)
    assert (c.data.batch_size, c.evaluate.samples) == (100, 5000)
    assert (c.method_options.transitions.steps, c.method_options.avo.rho) == (5, 0.2)


def test_the_preset_is_short_unless_another_is_named():
    assert load("vae").preset == "short"


def test_the_rows_files_say_what_the_defaults_are():
    for name in METHODS:
        assert load(name).method_options == method_class(name).Options()


def test_the_command_line_wins_over_the_preset_and_the_preset_over_the_base():
    config = load("vae", ["preset=quick", "trainer.epochs=7"])
    assert config.trainer.epochs == 7
    assert config.optimiser.learning_rate == 1e-3


def test_a_group_without_keys_says_so():
    with pytest.raises(UsageError, match=r"method\.steps is not a key; accepted: none"):
        load("vae", ["method.steps=3"])


def test_a_row_by_path_takes_its_name_from_the_file(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "method: {name: hvi, transitions: {steps: 2}}\ntrainer: {warmup_epochs: 3}\n",
        encoding="utf-8",
    )
    config = load(str(path))
    assert (config.row, config.method, config.method_options.transitions.steps) == (
        "mine",
        "hvi",
        2,
    )


def test_the_resolved_yaml_gives_the_same_configuration(tmp_path):
    config = load("hvi_avo", ["seed=3", "data.name=digits"])
    assert from_dict(to_dict(config)) == config
    (tmp_path / "config.yaml").write_text(to_yaml(config), encoding="utf-8")
    assert read_resolved(tmp_path / "config.yaml") == config


@pytest.mark.parametrize(
    ("override", "phrases"),
    [
        ("trainer.epoch=3", ["trainer.epoch", "not a key", "epochs"]),
        ("trainer.epochs=0", ["trainer.epochs", "0", "whole number from 1"]),
        ("trainer.epochs=2.5", ["trainer.epochs", "2.5", "whole number"]),
        ("trainer.epochs='3'", ["trainer.epochs", "'3'", "whole number"]),
        ("trainer.epochs=true", ["trainer.epochs", "True", "whole number"]),
        ("trainer.epochs=null", ["trainer.epochs", "None", "whole number"]),
        ("optimiser.learning_rate=0", ["optimiser.learning_rate", "above 0"]),
        ("optimiser.learning_rate=.inf", ["optimiser.learning_rate", "inf"]),
        ("optimiser.milestones=[0.9,0.5]", ["optimiser.milestones", "rising"]),
        ("optimiser.milestones=0.9", ["optimiser.milestones", "a list"]),
        ("method.avo.rho=1.5", ["method.avo.rho", "1.5", "from 0.0 to 1.0"]),
        ("method.avo.anchor=p0", ["method.avo.anchor", "q0, prior"]),
        ("method.avo.stagewise=1", ["method.avo.stagewise", "true or false"]),
        ("method.avo=3", ["method.avo", "group of keys"]),
        ("method.transitions.steps=many", ["method.transitions.steps", "many", "whole number"]),
        ("method.name=vea", ["method.name", "vea", "accepted: vae, iwae"]),
        ("method.name=os.system", ["method.name", "os.system", "--allow-import"]),
        ("trainer=5", ["trainer", "group of keys"]),
        ("data=digits", ["data", "digits", "data.name="]),
        ("data.name=fashion", ["data.name", "fashion", "digits, mnist"]),
        ("preset=fast", ["preset", "fast", "paper, quick, short"]),
        ("row=../x", ["row", "../x", "one folder"]),
        ("row=..", ["row", "..", "one folder"]),
        ("row=vae", ["row", "'vae'", "method.name is 'hvi_avo'"]),
        ("preset=../base", ["preset", "../base", "paper, quick, short"]),
        ("preset=digits/quick", ["preset", "digits/quick", "paper, quick, short"]),
        ("method_options.x=1", ["method_options", "not a key"]),
        ("seed=???", ["command line", "Missing mandatory value: seed"]),
        ("method.avo.first_alpha=1.0", ["method.avo.first_alpha", "below 1"]),
        ("method.name=[1]", ["method.name", "[1]"]),
        ("seed=-1", ["seed", "-1", "from 0"]),
        ("seed", ["seed", "key=value"]),
        ("wandb.mode=sometimes", ["wandb.mode", "auto, online"]),
    ],
)
def test_a_bad_override_is_one_sentence_that_names_the_key_and_what_is_accepted(override, phrases):
    with pytest.raises(UsageError) as error:
        load("hvi_avo", [override])
    text = str(error.value)
    assert "\n" not in text
    assert text.endswith(".")
    for phrase in phrases:
        assert phrase in text


def test_a_bad_key_in_a_file_names_the_file(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("method: {name: vae}\ntrainer: {epochs: -1}\npreset: paper\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"mine\.yaml: trainer\.epochs is -1"):
        load(str(path), ["trainer.patience=1"])


@pytest.mark.parametrize("text", ["a: [1", "just text", "- a\n- b", "a: ${nothing}", "\x00"])
def test_a_file_that_is_no_configuration_is_named(tmp_path, text):
    path = tmp_path / "broken.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=r"broken\.yaml"):
        load(str(path))


def test_an_unknown_row_lists_the_rows():
    with pytest.raises(UsageError, match=r"hvi\.yaml, hvi_avo\.yaml, .*vae\.yaml"):
        load("havi.yaml")


def test_a_packaged_folder_of_configurations_comes_first(tmp_path, monkeypatch):
    module = tmp_path / "annealed" / "config" / "loader.py"
    (module.parents[1] / "configs").mkdir(parents=True)
    monkeypatch.setattr(loader, "__file__", str(module))
    assert configuration.config_folder() == module.parents[1] / "configs"
