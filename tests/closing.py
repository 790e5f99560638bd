"""The last lines of a test run: the tests that did not run, with reasons, and the seconds of each folder."""

from collections import Counter, defaultdict
from collections.abc import Iterable

import pytest

LEFT = pytest.StashKey[int]()


def pytest_deselected(items: Iterable[pytest.Item]) -> None:
    """Count the tests that `-m`, `-k` or `--frameworks` leaves out; all workers of pytest-xdist leave out the same."""
    for item in items:
        item.config.stash[LEFT] = item.config.stash.get(LEFT, 0) + 1


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Send a worker's counts to the process that writes the summary."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left"] = session.config.stash.get(LEFT, 0)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: "object") -> None:
    """Receive a worker's counts."""
    config, told = node.config, getattr(node, "workeroutput", {})
    config.stash[LEFT] = max(config.stash.get(LEFT, 0), told.get("left", 0))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the tests that did not run, by reason, and the seconds of each folder, set-up and teardown included."""
    write = terminalreporter.write_line
    reasons = Counter(_reason(report) for report in terminalreporter.stats.get("skipped", []))
    left = config.stash.get(LEFT, 0)
    if reasons or left:
        terminalreporter.section("not run here")
    for reason, count in reasons.most_common():
        write(f"{count:5}  {reason}")
    if left:
        write(f"{left:5}  not asked for this time: make test-all runs every test")
    spent: dict[str, float] = defaultdict(float)
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                spent["/".join(report.nodeid.split("::")[0].split("/")[:2])] += report.duration
    terminalreporter.section("seconds by folder, all processes together")
    for folder, seconds in sorted(spent.items(), key=lambda entry: -entry[1]):
        write(f"{seconds:8.1f}  {folder}")
    write(f"{sum(spent.values()):8.1f}  in all")


def _reason(report: pytest.TestReport) -> str:
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return text.removeprefix("Skipped: ")
