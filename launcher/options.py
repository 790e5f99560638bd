"""The launcher's options. The Makefile passes its variables as they are, so an empty one means `not given`."""

import math
import os
import re
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from launcher import budget
from launcher.plan.discovery import ALL
from launcher.engines.selection import ENGINES
from launcher.errors import UsageError, unknown
from launcher.engines.provenance import printable
from launcher.plan.overrides import OPTIONS, Selection
from runners.harness.axes import Axis, Value
from runners.harness.case import AXES

DEVICES = ("cpu", "gpu")
DEFAULTS = {"profile": "quick", "device": "cpu", "engine": "auto"}
AA_PROFILE = "aa"
SETTINGS = (
    *("profile", "device", "engine", "frameworks", "workloads", "filter"),
    *("blocks", "data", "timeout", "cpus", "memory", "seed", "base_image", "extra_index"),
    *("budget", "aa", "slowdown"),
    *OPTIONS,
)
"""Options that shape what is measured: kept in run.json, and not to be changed when a run is resumed."""


@dataclass(frozen=True)
class Options:
    """What was asked for, read and bounded."""

    profile: str
    device: str
    engine: str
    frameworks: list[str]
    workloads: list[str]
    selection: Selection
    filter: str
    blocks: int | None
    data: str
    run: str
    timeout: float | None
    out: Path
    cpus: str
    memory_bytes: int | None
    seed: int | None
    budget: float | None
    aa: bool
    slowdown: float
    strict: bool
    base_image: str
    extra_index: str
    given: dict[str, str]


def read(arguments: Namespace, root: Path) -> Options:
    """Make sense of the command line. Raises UsageError."""
    text = {name: (value or "").strip() for name, value in vars(arguments).items() if isinstance(value, str | None)}
    for name in ("base_image", "extra_index"):
        text[name] = text[name] or os.environ.get(name.upper(), "").strip()
    device = text["device"] or DEFAULTS["device"]
    if device not in DEVICES:
        raise UsageError(unknown("device", device, DEVICES))
    engine = text["engine"] or DEFAULTS["engine"]
    if engine not in ENGINES:
        raise UsageError(unknown("engine", engine, ENGINES))
    gibibytes = _number("memory", text["memory"], 0.125)
    run = text["run"]
    if run and (not run.isascii() or not all(c.isalnum() or c in "-_." for c in run) or run.startswith(".")):
        raise UsageError(f"--run {run!r}: letters, digits, '-', '_' and '.' only")
    slowdown = _number("slowdown", text["slowdown"], 1) or 1.0
    if slowdown > 10 or (slowdown != 1.0 and not arguments.aa):
        raise UsageError("--slowdown: from 1 (none) to 10 times, and only with --aa: it slows the second label")
    text["aa"] = "yes" if arguments.aa else ""
    if arguments.aa and (len(_words(text["frameworks"])) > 1 or text["frameworks"] == ALL):
        raise UsageError("--aa runs one framework under two labels; name one with --frameworks")
    return Options(
        profile=text["profile"] or (AA_PROFILE if arguments.aa else DEFAULTS["profile"]),
        device=device,
        engine=engine,
        frameworks=_words(text["frameworks"]),
        workloads=_words(text["workloads"]),
        selection=_selection(text),
        filter=text["filter"],
        blocks=_whole("blocks", text["blocks"], 1, 1000),
        data=text["data"],
        run=run,
        timeout=_number("timeout", text["timeout"], 0.1),
        out=Path(text["out"]).absolute() if text["out"] else root / "results",
        cpus=text["cpus"],
        memory_bytes=None if gibibytes is None else int(gibibytes * 2**30),
        seed=_whole("seed", text["seed"], 0, 2**31 - 1),
        budget=budget.seconds(text["budget"]),
        aa=bool(arguments.aa),
        slowdown=slowdown,
        strict=bool(arguments.strict),
        base_image=text["base_image"],
        extra_index=text["extra_index"],
        given={name: without_password(printable(text[name])) for name in SETTINGS if text[name]},
    )


def words(given: Mapping[str, str]) -> list[str]:
    """The command line that asks for these settings."""
    found: list[str] = []
    for name, value in given.items():
        found += [f"--{name.replace('_', '-')}", *([] if name == "aa" else [value])]
    return found


def _selection(text: Mapping[str, str]) -> Selection:
    axes = {axis.option: _values(axis, text[axis.option]) for axis in AXES if axis.option}
    found = {**axes, "variants": _words(text["variants"]), "loaders": _words(text["loaders"])}
    return {option: values for option, values in found.items() if values}


def _values(axis: Axis, text: str) -> Sequence[Value]:
    option = axis.option.replace("_", "-")
    if axis.kind is bool:
        return _switches(option, text)
    return _words(text) if axis.kind is str else _wholes(option, text, axis.least)


def without_password(text: str) -> str:
    """An address less the name and password that it may hold: what is kept of a run gets published."""
    return re.sub(r"://[^/@\s]*@", "://", text)


def _words(text: str) -> list[str]:
    return text.replace(",", " ").split()


def _wholes(name: str, text: str, least: int = 1) -> list[int]:
    return [number for word in _words(text) if (number := _whole(name, word, least, 1_000_000)) is not None]


def _switches(name: str, text: str) -> list[bool]:
    for word in _words(text):
        if word not in ("on", "off"):
            raise UsageError(f"--{name} {word!r}: on, off, or both separated by a comma")
    return [word == "on" for word in _words(text)]


def _whole(name: str, text: str, least: int, most: int) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
        raise UsageError(f"--{name} {text!r}: a whole number from {least} to {most}")
    return int(text)


def _number(name: str, text: str, least: float) -> float | None:
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not least <= value <= 1_000_000:
        raise UsageError(f"--{name} {text!r}: a number from {least:g} to 1000000")
    return value
