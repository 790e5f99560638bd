"""Shows the progress of a run: a line for each replicate, and on a terminal a bar with the time left."""

import re
from collections.abc import Callable
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from launcher.plan.estimate import NOTHING, Bounds
from launcher.text import between, saying
from runners.harness.terminal import shown

ENDED_LINE = re.compile(
    r"\[(?P<done>\d{1,7})/(?P<total>\d{1,7})\] .* in [\d.]+ s(?:, (?P<left>about [\w ]{1,30} left))?", re.ASCII
)
"""What `Display.end` prints: another launcher shows from it how far this launcher is."""


def bars_on(console: Console) -> Progress:
    """Bars that are drawn when they are told to, each with the field `left` behind it."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(30),
        MofNCompleteColumn(),
        TextColumn("{task.fields[left]}"),
    )
    return Progress(*columns, console=console, auto_refresh=False, transient=True)


class Display:
    """Writes to stderr. The bar is drawn at events only: a ticking display would take time from what is measured."""

    def __init__(
        self,
        console: Console | None = None,
        later: Callable[[], tuple[Bounds, Bounds]] = lambda: (NOTHING, NOTHING),
    ) -> None:
        """`later` gives the time of what is measured after this: of what is planned, and of what may be added."""
        self._console = console or Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)
        self._total, self._done = 0, 0
        self.later = later
        self._bar = bars_on(self._console)
        self._task = self._bar.add_task("", total=0, left="")

    def __enter__(self) -> "Display":
        if self._console.is_terminal:
            self._bar.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        with saying():
            self._bar.stop()

    def plan(self, total: int) -> None:
        """Set the number of replicates."""
        self._total = total
        self._bar.update(self._task, total=total)

    def begin(self, case: str, competitor: str, left: Bounds) -> None:
        """A replicate starts; the run takes between two bounds from now on."""
        self._bar.update(
            self._task, description=escape(shown(f"{competitor}  {case}")), left=f"about {between(*left)} left"
        )
        self._draw()

    def end(self, case: str, competitor: str, block: int, result: str, seconds: float, left: Bounds) -> None:
        """A replicate ended."""
        self._done += 1
        rest = f", about {between(*left)} left" if left[1] else ""
        self.say(
            f"[{self._done}/{self._total}] {case} · block {block} · {competitor}: {result} in {seconds:.1f} s{rest}"
        )
        self._bar.update(self._task, completed=self._done)
        self._draw()

    def skip(self) -> None:
        """A replicate is done already, or left out."""
        self._done += 1
        self._bar.update(self._task, completed=self._done)

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        with saying():
            self._console.print(escape(shown(text)))

    def _draw(self) -> None:
        if self._console.is_terminal:
            with saying():
                self._bar.refresh()
