"""Reads step times in the form in which they were published: semicolons, a row a cell, a dash for no figure."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from aggregator.base.text import clean
from aggregator.published.step_times import Cells, Setting, StepTime, by_setting
from aggregator.read.run_folder import CannotReport

COLUMNS = ["", "Framework", "Architecture", "Input size", "Batch size", "Mode", "GPU index", "Time", "Memory"]
MODES = {"train": ("train", ("cpu", "gpu")), "inference_cpu": ("infer", ("cpu",)), "inference_gpu": ("infer", ("gpu",))}
"""The workload of each mode, and the devices that it can be on; a GPU index says that it was a GPU."""
NETWORKS = {
    "mobilenetv2": "mobilenet_v2",
    "efficientnetb0": "efficientnet_b0",
    "efficientnetb4": "efficientnet_b4",
    "efficientnetb7": "efficientnet_b7",
}
"""Our names for theirs, where they differ. A network that is unknown here keeps its name."""
NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?")
SIZE = re.compile(r"\(([1-9][0-9]{0,4}), \1, 3\)")
WHOLE = re.compile(r"[1-9][0-9]{0,6}")
INDEX = re.compile(r"[0-9]{0,3}")
SHORTEST, LONGEST = 1e-9, 1e6
"""Seconds: no step is outside, and no ratio of two such times overflows."""
LARGEST = 4 * 2**20
MOST_FRAMEWORKS = 8
"""Each is compared with each other in columns: more make no table that can be read."""


class BadRow(Exception):
    """A row that is not in the form; the message says why."""


def read(paths: Sequence[Path]) -> Cells:
    """The cells of all files together. Raises CannotReport, with file, line and reason, at the first that is wrong."""
    seen: dict[tuple[Setting, str], str] = {}
    found = []
    for path in paths:
        for where, row in _rows(path):
            try:
                time = _step_time(row)
            except BadRow as error:
                raise CannotReport(f"{where}: {error}") from error
            earlier = seen.setdefault((time.setting, time.framework), where)
            if earlier != where:
                raise CannotReport(f"{where}: a second figure for the cell of {earlier}; leave one of them out")
            found.append(time)
        if len({framework for _, framework in seen}) > MOST_FRAMEWORKS:
            raise CannotReport(f"{path}: more than {MOST_FRAMEWORKS} frameworks; leave some out")
    return by_setting(found)


def _rows(path: Path) -> Iterator[tuple[str, list[str]]]:
    lines = csv.reader(io.StringIO(_text(path), newline=""), delimiter=";", strict=True)
    try:
        heads = next(lines, [])
        if heads != COLUMNS:
            raise CannotReport(f"{path}, line 1: the columns are {_quoted(';'.join(heads))}, not {';'.join(COLUMNS)!r}")
        number = 0
        for row in lines:
            number += 1
            yield f"{path}, line {lines.line_num}", row
    except csv.Error as error:
        raise CannotReport(f"{path}, line {lines.line_num}: {error}") from error
    if not number:
        raise CannotReport(f"{path}: no row after the column names")


def _text(path: Path) -> str:
    try:
        if not path.is_file():
            what = "is a folder" if path.is_dir() else "is no regular file" if path.exists() else "no such file"
            raise CannotReport(f"{path}: {what} (give a CSV with the columns {';'.join(COLUMNS)!r})")
        if path.stat().st_size > LARGEST:
            raise CannotReport(f"{path}: more than {LARGEST >> 20} MiB, which no table of step times is")
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise CannotReport(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise CannotReport(f"{path}, line {line}: not UTF-8 text; save it as UTF-8") from error


def _step_time(row: list[str]) -> StepTime:
    if len(row) != len(COLUMNS):
        raise BadRow(f"{len(row)} columns, not {len(COLUMNS)}")
    framework, network, size, batch, mode, index, seconds, memory = row[1:]
    for name, text in (("Framework", framework), ("Architecture", network)):
        if not text.strip():
            raise BadRow(f"{name} is empty")
    if mode not in MODES:
        raise BadRow(f"Mode {_quoted(mode)} is unknown; known: {', '.join(MODES)}")
    workload, devices = MODES[mode]
    device = "gpu" if _matched(INDEX, index, "GPU index", "neither empty nor a whole number")[0] else "cpu"
    if device not in devices:
        raise BadRow(f"GPU index {index!r} contradicts Mode {mode}")
    side = int(_matched(SIZE, size, "Input size", "not of the form '(224, 224, 3)'")[1])
    items = int(_matched(WHOLE, batch, "Batch size", "no whole number above 0")[0])
    setting = Setting(workload, device, NETWORKS.get(network, network), side, items)
    return StepTime(setting, framework, _figure(seconds, "Time", SHORTEST, LONGEST), _figure(memory, "Memory", 0, 1e9))


def _figure(text: str, name: str, low: float, high: float) -> float | None:
    if text == "-":
        return None
    value = float(_matched(NUMBER, text, name, "neither a number (0 or more) nor '-' for none")[0])
    if not low <= value <= high:
        raise BadRow(f"{name} {_quoted(text)} is not between {low:g} and {high:g}")
    return value


def _matched(form: re.Pattern[str], text: str, name: str, wrong: str) -> re.Match[str]:
    found = form.fullmatch(text)
    if found is None:
        raise BadRow(f"{name} {_quoted(text)} is {wrong}")
    return found


def _quoted(text: str) -> str:
    return f"'{clean(text, 120)}'"
