"""`publish`: add runs to a static site with an index and the history of all its runs, ready for Pages."""

import argparse
import re
import sys

from aggregator.commands.report import complete_report
from aggregator.commands.shared import OK, RUN_HELP, SOME_FAILED, load_runs, not_writable, printable, target_folder
from aggregator.judge.analysis import analyse
from aggregator.site import folder
from aggregator.site.index import build_index
from aggregator.site.page import render_index
from aggregator.site.summary import summarise
from runners.harness.files import write_atomically

ADDRESS = re.compile(r"https?://[\w.-]+(:\d+)?(/[\w.~%-]+)*/?", re.ASCII)
HELP = "add runs to a static site with an index and a history"


def add(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    parser.add_argument("runs", nargs="+", metavar="RUN", help=RUN_HELP)
    parser.add_argument(
        "--site", type=target_folder, required=True, metavar="DIR", help="a new folder, or one made by publish"
    )
    parser.add_argument(
        "--url",
        type=_address,
        help="the site's address on the web, so that a link to a report has an image",
    )


def run(given: argparse.Namespace) -> int:
    """Write the runs' reports and the index over all runs of the site; its path is the last line of standard output."""
    runs = [found for _, found in load_runs(given.runs)]
    clean = True
    try:
        targets = folder.folders(given.site, runs)
        folder.claim(given.site)
        for one, target in zip(runs, targets, strict=True):
            environments = analyse([one])
            report = complete_report([one], environments)
            folder.write_run(target, report, summarise(one, environments, report), given.url or "")
            clean &= report.clean
        summaries, left_out = folder.read_runs(given.site)
        page = given.site / folder.INDEX
        write_atomically(
            page, render_index(build_index(summaries, left_out, folder.cards(given.site, summaries))).encode()
        )
    except OSError as error:
        return not_writable("the site", given.site, error, "--site")
    for file, reason in left_out:
        print(f"left out: {printable(f'{file}: {reason}')}", file=sys.stderr)
    print(printable(str(page)))
    return OK if clean and not left_out else SOME_FAILED


def _address(text: str) -> str:
    """The address with a slash at its end. Raises ArgumentTypeError for anything but a plain web address."""
    if not ADDRESS.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r}: give the site's address, such as https://example.org/site/")
    return text.rstrip("/") + "/"
