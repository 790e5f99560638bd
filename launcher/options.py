"""The options of all commands. Each option is declared once here; a command takes those that it uses.

The Makefile passes its variables as they are, so an empty value means `not given`.
"""

import math
import os
import re
from argparse import Action, ArgumentParser, Namespace
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from launcher.errors import UsageError, require_name
from launcher.text import printable, say, seconds, without_password
from runners.harness.axes import Axis, Value
from runners.harness.case import AXES
from runners.harness.own_model import FORMS

ALL = "all"
DEVICES = ("cpu", "gpu")
ON_NODES = ("slurm", "slurm-apptainer")
"""The engines whose replicates run on the nodes of a cluster."""
ENGINES = ("auto", "docker", "venv", *ON_NODES)
USUAL = {"profile": "quick", "device": "cpu", "engine": "auto"}
AA_PROFILE = "aa"

Overrides = Mapping[str, Sequence[Value]]
"""Values that replace those of a profile, by option."""


@dataclass(frozen=True)
class Option:
    """An option. `read` turns a word into a value or raises ValueError; a `listed` option takes several words."""

    help: str
    read: Callable[[str], Any] = str
    default: Any = None
    listed: bool = False


def _whole(least: int, most: int = 1_000_000) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
            raise ValueError(f"a whole number from {least} to {most}")
        return int(text)

    return read


def _number(least: float, most: float = 1_000_000) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most:
            raise ValueError(f"a number from {least:g} to {most:.0f}")
        return value

    return read


def _name(what: str, names: Collection[str]) -> Callable[[str], str]:
    def read(text: str) -> str:
        require_name(what, text, names)
        return text

    return read


def _switch(text: str) -> bool:
    if text not in ("on", "off"):
        raise ValueError("on, off, or both separated by a comma")
    return text == "on"


HOST = re.compile(r"(?:ssh://)?(?:[\w+][\w.+-]*@)?(?P<place>[\w\[:][\w.:\]-]*)", re.ASCII)


def _host(text: str) -> str:
    if not HOST.fullmatch(text):  # above all no word that begins with `-`, which ssh would take for an option
        raise ValueError("a host as ssh takes it: name, user@name, ssh://user@name:port or a Host of ~/.ssh/config")
    return text


def _expanded(text: str) -> str:
    """Folders separated by commas, each with its `~` expanded: a shell expands only one at the beginning of a word."""
    parts = (part.strip() for part in text.split(","))
    return ",".join(map(os.path.expanduser, parts)) if "~" in text else text


def _of_axis(axis: Axis) -> Option:
    read = _switch if axis.kind is bool else str if axis.kind is str else _whole(axis.least)
    return Option(f"{', '.join(axis.chosen_for)}: {axis.help}", read, listed=True)


_BUDGET = "time for all measuring, such as 30m or 1h30m (a profile's own budget bounds only the added blocks)"
_OVERRIDES = {
    **{axis.option: _of_axis(axis) for axis in AXES if axis.option},
    "variants": Option("of every workload but roof: these variants (eager, tensorflow/graph …), or all", listed=True),
    "loaders": Option("load, fit: torch, spdl, tfdata …, or all", listed=True),
}
OPTIONS = {
    "profile": Option(f"profiles/NAME.toml (default {USUAL['profile']})"),
    "device": Option("cpu (default) or gpu", _name("device", DEVICES), USUAL["device"]),
    "engine": Option(
        "auto (default), docker, venv, slurm or slurm-apptainer", _name("engine", ENGINES), USUAL["engine"]
    ),
    "frameworks": Option("only these, separated by commas; tensorflow@2.16.2 names a version", listed=True),
    "workloads": Option("only these: train, infer, scale, load, fit, export, roof", listed=True),
    **_OVERRIDES,
    "model": Option(f"infer: your own model instead of networks: {FORMS}", os.path.expanduser, ""),
    "input_shape": Option("with --model: shape of one input, such as 3,224,224 (default: the ONNX file's)", default=""),
    "filter": Option("only cases whose name in the plan or a report contains this, or matches this glob", default=""),
    "blocks": Option("how often each case is repeated, no more and no less (default: the profile's)", _whole(1, 1000)),
    "budget": Option(f"{_BUDGET}; with --run, time to add to a run that has ended", seconds),
    "slowdown": Option(
        "with --aa: make the steps of the second label last this many times as long", _number(1, 10), 1.0
    ),
    "data": Option("class folders or prepared data sets, separated by commas (default: synthetic)", _expanded, ""),
    "run": Option("name or folder of the run to resume; with --budget, to continue a run that has ended", default=""),
    "timeout": Option("seconds until a replicate is given up (default: the profile's)", _number(0.1)),
    "out": Option(
        "folder that runs are written to (default: results)", lambda text: Path(os.path.expanduser(text)).absolute()
    ),
    "hosts": Option("measure on these machines over ssh instead: user@a,user@b", _host, listed=True),
    "parallel_hosts": Option(
        "with --hosts: on measures on all of them at the same time (default: off, one after the other)",
        _name("value of --parallel-hosts", ("on", "off")),
        "off",
    ),
    "partition": Option(
        "with --engine slurm or slurm-apptainer: the partition of the nodes (default: the cluster's)", default=""
    ),
    "nodes": Option(
        "with --engine slurm or slurm-apptainer: how many nodes measure at the same time (default: 1)",
        _whole(1, 1000),
        1,
    ),
    "cpus": Option("CPU set like 0-3,6 (default: all visible)", default=""),
    "memory": Option("memory limit of a replicate in GiB (default: 85 %% of the machine's)", _number(0.125)),
    "shm": Option("size of a container's /dev/shm in GiB (default: half of the machine's memory)", _number(0.0625)),
    "gpu": Option("index or UUID of the GPU (default: the first that CUDA_VISIBLE_DEVICES shows)", default=""),
    "seed": Option("seed of the order (default: random, recorded)", _whole(0, 2**31 - 1)),
    "base_image": Option("base of the images", default=""),
    "extra_index": Option("a further package index; if it cannot be reached, a build goes on without it", default=""),
}
SWITCHES = {
    "aa": "check this machine: run one framework under two labels",
    "strict": "refuse what would otherwise be a warning",
    "images": "remove images too",
    "venvs": "remove virtual environments too",
    "results": "remove results too",
}
HOSTS = ("hosts", "parallel_hosts")
MEASURED = tuple(name for name in (*OPTIONS, "aa", "strict") if name not in (*HOSTS, "run"))
"""The options of bench, which plan has too: it shows what bench would do with them."""
SETTINGS = tuple(name for name in MEASURED if name not in ("out", "strict"))
"""Options that shape what is measured: kept in run.json, and not to be changed when a run is resumed."""


class _Read(Action):
    """Reads the value of an option, and keeps its text for the settings of a run."""

    def __call__(self, _parser: ArgumentParser, into: Namespace, text: Any, _flag: str | None = None) -> None:
        name, text = self.dest, text.strip()
        into.texts = {**into.texts, name: text}
        option = OPTIONS[name]
        values = [_value(name, option, word) for word in (text.replace(",", " ").split() if option.listed else [text])]
        if text:
            setattr(into, name, values if option.listed else values[0])


def _value(name: str, option: Option, word: str) -> Any:
    try:
        return option.read(word) if word else None
    except ValueError as error:
        raise UsageError(f"{flag(name)} {word!r}: {error}") from error


def flag(name: str) -> str:
    """`--base-image` for base_image."""
    return f"--{name.replace('_', '-')}"


def add(parser: ArgumentParser, *names: str) -> None:
    """Add these options to a command."""
    for name in names:
        if name in SWITCHES:
            parser.add_argument(flag(name), action="store_true", help=SWITCHES[name])
        else:
            option = OPTIONS[name]
            default = [] if option.listed else option.default
            parser.add_argument(flag(name), action=_Read, default=default, help=option.help)
    parser.set_defaults(texts={})


@dataclass(frozen=True)
class Options:
    """What to measure. `memory` and `shm` are in GiB; `given` holds the text of the options that were given."""

    profile: str
    device: str
    engine: str
    frameworks: list[str]
    workloads: list[str]
    overrides: Overrides
    model: str
    input_shape: str
    filter: str
    blocks: int | None
    budget: float | None
    aa: bool
    slowdown: float
    data: str
    timeout: float | None
    out: Path
    partition: str
    nodes: int
    cpus: str
    memory: float | None
    shm: float | None
    gpu: str
    seed: int | None
    strict: bool
    base_image: str
    extra_index: str
    given: dict[str, str]


def measured(arguments: Namespace) -> Options:
    """The options of `bench` or `plan`. Raises UsageError where two of them contradict each other."""
    values = vars(arguments)
    aa, frameworks = values["aa"], values["frameworks"]
    if values["slowdown"] != 1.0 and not aa:
        raise UsageError("--slowdown: only with --aa (make aa), since it slows the second label")
    if aa and (len(frameworks) > 1 or frameworks == [ALL]):
        raise UsageError("--aa runs one framework under two labels; name one with --frameworks")
    on_nodes = values["engine"] in ON_NODES
    if not on_nodes and (values["partition"] or values["nodes"] != 1):
        raise UsageError("--partition, --nodes: only with ENGINE=slurm or ENGINE=slurm-apptainer")
    if on_nodes and values["gpu"]:
        raise UsageError(f"--gpu: not with ENGINE={values['engine']}, since Slurm chooses the GPU of each job")
    texts = values["texts"] | {"aa": "yes" if aa else ""}
    made: dict[str, Any] = {
        "profile": values["profile"] or (AA_PROFILE if aa else USUAL["profile"]),
        "overrides": {name: values[name] for name in _OVERRIDES if values[name]},
        "given": {name: without_password(printable(texts[name])) for name in SETTINGS if texts.get(name)},
    }
    return Options(**{one.name: made[one.name] if one.name in made else values[one.name] for one in fields(Options)})


def words(given: Mapping[str, str]) -> list[str]:
    """The command line that asks for these settings."""
    return [word for name, value in given.items() for word in (flag(name), *([] if name == "aa" else [value]))]


FROM_ENVIRONMENT = ("base_image", "extra_index")
"""Options that variables of the environment give too: what serves this machine, but no single run, is seldom typed."""


def from_variables(names: str | None, command: str, options: Sequence[str]) -> list[str]:
    """The command line for variables of make, which the Makefile exports: `--networks=vgg16` for `NETWORKS=vgg16`.

    `names` are the variables on make's own command line, None where make did not start this. Such a name that is none
    of the command's options is a UsageError. Says which other variables of the environment are taken or left out: a
    name like DATA may be meant for another program.
    """
    variables = {name.upper(): name for name in options}
    typed = (names or "").split()
    for name in typed:
        require_name(f"variable of {command}", name, variables)
    there = [name for name in variables if name not in typed and os.environ.get(name)]
    taken = [name for name in there if variables[name] in FROM_ENVIRONMENT]
    for name in taken:
        say(f"from the environment: {name}={without_password(printable(os.environ[name]))}")
    ignored = [name for name in there if name not in taken]
    if ignored and names is not None:
        say(f"not taken from the environment: {', '.join(ignored)}; to give it: make {command} {ignored[0]}=…")
    return [f"{flag(variables[name])}={os.environ[name]}" for name in (*typed, *taken) if os.environ.get(name)]


def as_typed(text: str, through_make: bool) -> str:
    """A message with the names that its reader types: make's `DATA=x` for `--data x`, or the other way round."""
    names = "|".join(OPTIONS)
    if through_make:
        pattern = rf"--({names.replace('_', '-')})\b(?:=| (?=['\d]))?"
        return re.sub(pattern, lambda found: found[1].replace("-", "_").upper() + "=", text)
    # What follows `make` on a command line stays as it is.
    pattern = rf"(make [\w-]+(?: [A-Z_]+=\S+)+)|\b({names.upper()})=(?=\w)"
    return re.sub(pattern, lambda found: found[1] or f"{flag(found[2].lower())} ", text)


def locate_run(given: Namespace) -> None:
    """Let --run be the folder of a run too, as shells complete it: results/<id>/."""
    path = Path(os.path.expanduser(given.run))
    if len(path.parts) > 1:
        given.out = path.absolute().parent
    given.run = path.name or given.run
