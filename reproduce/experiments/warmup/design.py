"""The trials of the page: both rows under every schedule of beta."""

from reproduce.results.trials import DEFAULTS, Trial

SETTING = "all images"
ROWS = ("hvi", "hvi_avo")
EPOCHS = {"mnist": 20, "mnist_static": 20, "digits": 400}  # of the preset
ON_DIGITS = ("a tenth", "all")  # schedules that no other data have


def schedules(data: str) -> dict[str, str]:
    """The change that a trial makes, by the schedule's name on the page.

    The digits, where a trial takes a minute, have two lengths more.
    """
    changes = {
        "none": "trainer.warmup_epochs=0",
        "a tenth": f"trainer.warmup_epochs={EPOCHS[data] // 10}",
        "default": DEFAULTS,
        "four fifths": f"trainer.warmup_epochs={4 * EPOCHS[data] // 5}",
        "all": f"trainer.warmup_epochs={EPOCHS[data]}",
        "cyclical, 4 cycles": "trainer.warmup=cyclical",
    }
    return {name: changes[name] for name in changes if data == "digits" or name not in ON_DIGITS}


def planned(preset: str, data: str) -> list[Trial]:
    """Every row under every schedule, the same under both presets."""
    return [Trial(SETTING, row, change) for change in schedules(data).values() for row in ROWS]
