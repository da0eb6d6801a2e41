"""Results without the path of a machine's runs."""

import pytest

from reproduce.results.portable import portable


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("python -m annealed.fit runs=/m/runs", "python -m annealed.fit runs=runs"),
        ("python --runs /m/runs --seeds 2", "python --runs runs --seeds 2"),
        ("python /m/runs/short/vae/seed0 --images 2", "python runs/short/vae/seed0 --images 2"),
        ("python data.root=/m/runs/data", "python data.root=/m/runs/data"),
        ("python /m/runs2/short /x/m/runs/short", "python /m/runs2/short /x/m/runs/short"),
        ("python data.root=/x/m/runs", "python data.root=/x/m/runs"),
    ],
)
def test_a_command_names_the_runs_alone_otherwise(command, shown):
    unit = {"seed": 0, "provenance": {"command": command, "commit": "abc"}}
    assert portable(unit, "/m/runs") == {
        "seed": 0,
        "provenance": {"command": shown, "commit": "abc"},
    }


def test_a_name_with_signs_of_patterns_is_taken_as_it_is():
    unit = {"provenance": {"command": "python --runs /m/a+(b)"}}
    assert portable(unit, "/m/a+(b)") == {"provenance": {"command": "python --runs runs"}}
    assert portable(unit, "/m/.....") == unit


@pytest.mark.parametrize("result", [{}, {"config": {"seed": 0}, "training": {}, "provenance": {}}])
def test_what_a_result_lacks_is_not_added(result):
    assert portable(result, "/m/runs") == result


def test_where_the_runs_are_relative_nothing_changes():
    result = {"config": {"runs": "here"}, "provenance": {"command": "python runs=here"}}
    assert portable(result, "here") == result
