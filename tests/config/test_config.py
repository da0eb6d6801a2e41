import pytest
from conftest import ROOT

from annealed import config as configuration
from annealed.config import from_dict, load, loader, read_resolved, to_dict, to_yaml
from annealed.config.registry import METHODS, method_class
from annealed.config.scalars import override
from annealed.utils.errors import UsageError


def test_every_row_loads_under_every_preset_and_data_set():
    rows = {p.stem for p in (ROOT / "configs").glob("*.yaml")} - {"base"}
    assert rows == set(METHODS)
    for row in rows:
        for preset in ("quick", "ablation", "short", "paper"):
            for data in ("mnist", "mnist_static", "digits"):
                config = load(row, [f"preset={preset}", f"data.name={data}"])
                assert (config.row, config.preset, config.data.name) == (row, preset, data)


@pytest.mark.parametrize("path", sorted((ROOT / "configs" / "published").glob("*.yaml")))
def test_published_sizes_of_other_networks_load_over_every_preset(path):
    for preset in ("quick", "short", "paper"):
        config = load(str(path), [f"preset={preset}"])
        assert (config.row, config.network.latent) == (path.stem, 64)
        assert config.method_options.transitions.steps == {"uha": 8, "lmcvae": 10}[config.method]


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
    ("given", "phrases"),
    [
        ("trainer.epoch=3", ["trainer.epoch", "not a key", "epochs"]),
        ("trainer.epochs=0", ["trainer.epochs", "0", "whole number from 1"]),
        ("trainer.epochs=2.5", ["trainer.epochs", "2.5", "whole number"]),
        ("trainer.epochs='3'", ["trainer.epochs", "'3'", "whole number"]),
        ("trainer.epochs=true", ["trainer.epochs is true;", "whole number"]),
        ("trainer.epochs=null", ["trainer.epochs is null;", "whole number"]),
        ("trainer.compile=tRUE", ["trainer.compile is 'tRUE';", "true or false"]),
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
        ("data=fashion", ["command line: data.name", "fashion", "digits, mnist"]),
        ("data=", ["command line: data is null", "a group of keys"]),
        ("data.name=fashion", ["data.name", "fashion", "digits, mnist"]),
        ("preset=fast", ["preset", "fast", "paper, quick, short"]),
        ("row=../x", ["row", "../x", "one folder"]),
        ("row=..", ["row", "..", "one folder"]),
        ("row=vae", ["row", "'vae'", "method.name is 'hvi_avo'"]),
        ("preset=../base", ["preset", "../base", "paper, quick, short"]),
        ("preset=digits/quick", ["preset", "digits/quick", "paper, quick, short"]),
        ("method_options.x=1", ["method_options", "not a key"]),
        ("seed=???", ["command line: seed", "whole number"]),
        ("method.avo=null", ["command line: method.avo is null", "group of keys"]),
        ("runs=", ["command line: runs is null", "a path"]),
        ("runs=a\nb", ["command line: runs", "control characters"]),
        ("wandb.project=${x}", ["command line: wandb.project", "${...}"]),
        ("trainer=5 trainer.epochs=3", ["trainer", "5", "group of keys"]),
        ("a..b=1", ["a..b=1", "key=value"]),
        ("method.avo.first_alpha=1.0", ["method.avo.first_alpha", "below 1"]),
        ("method.name=[1]", ["method.name", "[1]"]),
        ("seed=-1", ["seed", "-1", "from 0"]),
        ("seed", ["seed", "key=value"]),
        ("wandb.mode=sometimes", ["wandb.mode", "auto, online"]),
    ],
)
def test_a_bad_override_is_one_sentence_that_names_the_key_and_what_is_accepted(given, phrases):
    with pytest.raises(UsageError) as error:
        load("hvi_avo", given.split(" "))
    text = str(error.value)
    assert "\n" not in text
    assert text.endswith(".")
    for phrase in phrases:
        assert phrase in text


@pytest.mark.parametrize(
    ("text", "overrides", "problem"),
    [
        ("trainer: {epochs: -1}", ["trainer.patience=1"], "trainer.epochs is -1; accepted: a"),
        ("optimiser:", ["optimiser.clip_norm=1"], "optimiser is null; accepted: a group of keys"),
        ("optimiser: 3", [], "optimiser is 3; accepted: a group of keys"),
        ("seed: {a: 1}", [], "seed is {'a': 1}; accepted: a whole number"),
        (
            "optimiser.learning_rate: 0.5",
            [],
            "optimiser.learning_rate is not a key of a file; accepted: optimiser: {learning_rate: ",
        ),
        ("trainer: {a.b: 1}", [], "trainer.a.b is not a key of a file"),
        ("preset: fast", [], "preset is 'fast'; accepted: ablation"),
        ("data: {name: fashion}", [], "data.name is 'fashion'; accepted: celeba"),
        ("data: [1]", [], "data is [1]; accepted: a group of keys"),
        ("optimiser: {factors: [0.1]}", [], "optimiser.milestones is [0.5, 0.75, 0.9] beside"),
        ("seed: 1\nseed: 2", [], "is not valid YAML: the key 'seed' twice"),
        ("seed: 0x10", [], "seed is '0x10'; accepted: a whole number"),
        ("network: {likelihood: discretised_logistic}", [], "network.likelihood is 'discretised"),
        ("runs: s3://bucket/r", [], "runs is 's3://bucket/r', which is a URL; accepted: a path"),
    ],
)
def test_a_bad_key_in_a_file_names_the_file_and_the_key(tmp_path, text, overrides, problem):
    path = tmp_path / "my row.yaml"
    path.write_text(f"method: {{name: vae}}\n{text}\n", encoding="utf-8")
    with pytest.raises(UsageError) as error:
        load(str(path), overrides)
    assert str(error.value).startswith(f"{path}")
    assert problem in str(error.value)


def test_what_the_command_line_does_not_fit_to_is_blamed_on_the_command_line():
    with pytest.raises(UsageError, match=r"^command line: network\.likelihood is 'bernoulli'"):
        load("vae", ["data.name=celeba", "network.likelihood=bernoulli"])
    with pytest.raises(UsageError, match=r"^command line: data\.energy is null"):
        load("vae", ["data.name=toy"])


def test_a_file_of_the_users_wins_over_the_preset(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "method: hvi\noptimiser: {learning_rate: 1e-4}\ntrainer: {epochs: 7}\n", encoding="utf-8"
    )
    config = load(str(path), ["preset=short", "data=digits"])
    assert (config.optimiser.learning_rate, config.trainer.epochs) == (1e-4, 7)
    assert config.trainer.warmup_epochs == 50  # of the preset, which the file leaves as it is
    assert (config.method, config.data.name) == ("hvi", "digits")
    assert load(str(path), ["trainer.epochs=9"]).trainer.epochs == 9


@pytest.mark.parametrize(
    ("text", "number"),
    [("010", 10), ("007", 7), ("+3", 3), ("0", 0)]
    + [
        (text, None) for text in ("0x10", "0b11", "0o7", "1_000", "1:30", "2001-01-01", "on", "1e2")
    ],
)
def test_a_whole_number_is_decimal_or_refused(text, number, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(f"method: {{name: vae}}\nseed: {text}\n", encoding="utf-8")
    for name, overrides in (("vae", [f"seed={text}"]), (str(path), [])):
        if number is not None:
            assert load(name, overrides).seed == number
            continue
        with pytest.raises(UsageError, match=r"seed is '?" + text + r"'?; accepted: a whole"):
            load(name, overrides)


@pytest.mark.parametrize(("text", "number"), [("1e-4", 1e-4), ("1E3", 1e3), (".5", 0.5), ("2", 2)])
def test_a_number_may_have_an_exponent_without_a_point(text, number):
    rate = load("vae", [f"optimiser.learning_rate={text}"]).optimiser.learning_rate
    assert (rate, type(rate)) == (number, float)


def test_true_and_false_may_be_yes_and_no_where_the_key_asks_for_them():
    for text, value in (("true", True), ("on", True), ("Yes", True), ("no", False), ("OFF", False)):
        assert load("vae", [f"trainer.compile={text}"]).trainer.compile is value


TEXTS = (
    "on",
    "no",
    "2024",
    "010",
    "1e3",
    "2024-01-01",
    "exp #1",
    "a: b",
    "[x",
    "{x}",
    "it's",
    "&a",
)


@pytest.mark.parametrize("text", [*TEXTS, "~x", "'x'", '"', "null", " x ", "é", "a=b", "- a"])
def test_a_key_of_text_takes_what_was_typed_and_keeps_it(text, tmp_path):
    config = load("vae", [override("wandb.project", text), "wandb.entity=no"])
    assert (config.wandb.project, config.wandb.entity) == (text, "no")
    (tmp_path / "config.yaml").write_text(to_yaml(config), encoding="utf-8")
    assert read_resolved(tmp_path / "config.yaml") == config
    if text in TEXTS:
        assert load("vae", [f"wandb.project={text}"]).wandb.project == text


def test_a_key_of_text_in_a_file_is_its_text(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "method: vae\nruns: 20240101\nwandb: {project: on, entity: 2024-01-01}\n", encoding="utf-8"
    )
    config = load(str(path))
    assert (config.runs, config.wandb.project) == ("20240101", "on")
    assert config.wandb.entity == "2024-01-01"
    path.write_text("method: vae\npreset: short\nruns: ~\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"mine\.yaml: runs is null; accepted: a path"):
        load(str(path))


@pytest.mark.parametrize("key", ["runs", "data.root"])
def test_a_key_that_is_a_path_has_its_home_written_out_and_is_on_a_disk(key, monkeypatch):
    def value(text):
        config = load("vae", [f"{key}={text}"])
        return config.runs if key == "runs" else config.data.root

    monkeypatch.setenv("HOME", "/home/someone")
    assert value("~/x y") == "/home/someone/x y"
    assert value("~") == "/home/someone"
    assert value("./~x") == "./~x"
    for text, problem in (
        ("s3://bucket/r", "a URL; accepted: a path"),
        ("file:///r", "a URL; accepted: a path"),
        ("~nosuchuser/data", "a user who is not known"),
        ("x" * 300, "too long; accepted: names of up to 255 bytes"),
        ("x/" * 3000, "too long"),
    ):
        with pytest.raises(UsageError, match=f"^command line: {key} is .*{problem}"):
            value(text)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("x" * 300, "too long"),
        ("s3://bucket/vae.yaml", "a URL"),
        ("~nosuchuser/vae.yaml", "a user who is not known"),
    ],
)
def test_a_configuration_that_no_disk_can_hold_is_one_sentence(name, problem):
    with pytest.raises(UsageError, match=f"^--config is .*{problem}"):
        load(name)


def test_a_row_of_a_name_that_is_too_long_for_a_folder_is_refused():
    with pytest.raises(UsageError, match=r"row is .*; accepted: the name of one folder"):
        load("vae", ["row=" + "x" * 300])


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


@pytest.mark.parametrize(
    ("given", "read"), [("true", True), ("false", False), ("last", "last"), ("every", "every")]
)
def test_train_decoder_takes_names_and_the_true_and_false_of_before(given, read):
    config = configuration.load("hvi_avo", [f"method.avo.train_decoder={given}"])
    assert config.method_options.avo.train_decoder is read or read == given
    assert configuration.to_dict(config)["method"]["avo"]["train_decoder"] == read


@pytest.mark.parametrize("given", ["1", "first", "null"])
def test_train_decoder_takes_nothing_else(given):
    message = r"train_decoder is .*; accepted: one of last, every, never, true, false"
    with pytest.raises(UsageError, match=message):
        configuration.load("hvi_avo", [f"method.avo.train_decoder={given}"])
