"""What the scheduler shows: a bar a run and an overall count, or lines where there is no screen."""

import sys
import time

from tqdm import tqdm

from reproduce.scheduling.work import Work

TRAIN_SHARE = 0.75  # of a run that is trained and then scored, for the estimate of what remains
OVERALL = "{desc}: {n_fmt}/{total_fmt} |{bar}| {elapsed}{postfix}"
RUN = "{desc}: {percentage:3.0f}% |{bar}| {elapsed}{postfix}"
LINE_PERIOD = 30.0  # seconds between two lines where there is no screen


class Display:
    """Progress of `total` works, `done` of which have their results already."""

    def __init__(self, total: int, done: int):
        self.total, self.done, self.skipped = total, done, done
        self.began, self.last_line = time.monotonic(), time.monotonic()
        self.screen, self.bars = sys.stderr.isatty(), {}
        self.inherited = {}  # what earlier sessions had done of a work
        self.shown, self.compiling = self.began, 0.0  # seconds that the running works compiled
        if done:
            self.print(f"{done} of {total} runs have their result already and are skipped")
        if self.screen:
            self.overall = tqdm(
                total=total, initial=done, desc="runs", position=0, bar_format=OVERALL
            )

    def print(self, line: str) -> None:
        """Print a line above the bars."""
        tqdm.write(line, file=sys.stderr)

    def finished(self, work: Work, how: str) -> None:
        """A work has ended."""
        self.done += 1
        self.print(f"[{self.done}/{self.total}] {work.name}: {how}")
        if bar := self.bars.pop(work, None):
            bar.close()
        if self.screen:
            self.overall.update(1)

    def show(self, states: dict[Work, dict]) -> None:
        """Show the running works; a state has phase, done, total, note, and whether it compiles."""
        now = time.monotonic()
        busy = sum(state.get("compiling", False) for state in states.values())
        self.compiling += (now - self.shown) * busy / max(len(states), 1)
        self.shown = now
        for work, state in states.items():
            if state:
                self.inherited.setdefault(work, _share(state))
        remaining = self._remaining(states)
        if self.screen:
            self.overall.set_postfix_str(remaining)
            for work, state in states.items():
                self._bar(work, state)
        elif time.monotonic() - self.last_line > LINE_PERIOD:
            self.last_line = time.monotonic()
            running = ", ".join(_described(work, state) for work, state in states.items())
            self.print(f"{self.done}/{self.total} runs done; {running}; {remaining}")

    def close(self) -> None:
        """Leave the screen tidy."""
        for bar in [*self.bars.values(), *([self.overall] if self.screen else [])]:
            bar.close()

    def _bar(self, work: Work, state: dict) -> None:
        if work not in self.bars:
            taken = {bar.pos for bar in self.bars.values()}
            free = next(p for p in range(1, len(taken) + 2) if -p not in taken and p not in taken)
            self.bars[work] = tqdm(
                total=1000, desc=work.name, position=free, leave=False, bar_format=RUN
            )
        bar = self.bars[work]
        bar.set_postfix_str(f"{_phase(state)} {state.get('note', '')}".strip())
        bar.update(round(1000 * _share(state)) - bar.n)

    def _remaining(self, states: dict[Work, dict]) -> str:
        whole = self.done - self.skipped + sum(_share(state) for state in states.values())
        left, worked = self.total - self.skipped - whole, whole - sum(self.inherited.values())
        if worked < 0.02:
            return "estimating what remains"
        seconds = (self.shown - self.began - self.compiling) * left / worked
        return f"about {seconds / 60:.1f} min left"


def _share(state: dict) -> float:
    """How much of a work is done, from 0 to 1; a run is trained and then scored."""
    if not state:
        return 0.0
    part = state["done"] / max(state["total"], 1)
    if state["phase"] == "train":
        return TRAIN_SHARE * part
    return TRAIN_SHARE + (1.0 - TRAIN_SHARE) * part if state["phase"] == "score" else part


def _described(work: Work, state: dict) -> str:
    return f"{work.name} {_phase(state)} {100 * _share(state):.0f}%"


def _phase(state: dict) -> str:
    """What a work does now."""
    return "compile" if state.get("compiling") else state.get("phase", "starting")
