"""What the launchers on all hosts print, in one stream, and on a terminal a bar for each host."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

from rich.console import Console
from rich.markup import escape

from launcher.run.progress import ENDED_LINE, bars_on
from launcher.text import saying
from runners.harness.terminal import shown


class HostsDisplay:
    """Writes to stderr, from several threads too: each line whole, behind the name of its host."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)
        self._bars = bars_on(self._console)

    def __enter__(self) -> "HostsDisplay":
        if self._console.is_terminal:
            self._bars.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        with saying():
            self._bars.stop()

    @contextmanager
    def of(self, host: str) -> Iterator[Callable[[str], None]]:
        """Show a bar for a host that measures. Gives what prints a line of its launcher."""
        task = self._bars.add_task(escape(shown(host)), total=None, left="measures nothing yet")

        def show(line: str) -> None:
            self.say(host, line)
            if ended := ENDED_LINE.fullmatch(line):
                done, total = int(ended["done"]), int(ended["total"])
                self._bars.update(task, completed=done, total=total, left=ended["left"] or "")
                self._draw()

        self._draw()
        try:
            yield show
        finally:
            self._bars.update(task, left="ended")
            self._draw()

    def say(self, host: str, text: str) -> None:
        """Print a line about a host above the bars."""
        with saying():
            self._console.print(escape(shown(f"{host}: {text}")))

    def _draw(self) -> None:
        if self._console.is_terminal:
            with saying():
                self._bars.refresh()
