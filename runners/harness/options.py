"""The command line of every framework's runner: the same argv by hand, in a container, under a scheduler."""

import argparse
import contextlib
import difflib
import math
import sys
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from runners.harness.axes import Axis, Value
from runners.harness.case import AXES, Block, Competitor
from runners.harness.clock import wall_time
from runners.harness.expected import BATCH_SIZE
from runners.harness.host import visible_cpus
from runners.harness.own_model import FORMS, KINDS, OF_MODEL, OWN, PRECISIONS, ModelError, OwnModel, located
from runners.harness.precision import lacking
from runners.harness.sampling import Sampling
from runners.harness.terminal import shown
from runners.harness.workload import Framework, Workload

USAGE = 2


@dataclass(frozen=True)
class Options:
    """The command line of one replicate. The case is made later, when the data set is known."""

    workload: str
    competitor: Competitor
    parameters: argparse.Namespace
    sampling: Sampling
    threads: int
    manifest: Path | None
    data: Path | None
    run_id: str
    record_id: str
    block: Block
    out: Path
    check_only: bool
    slowdown: float
    compiler_cache: Path | None
    model: OwnModel | None


class _Parser(argparse.ArgumentParser):
    """argparse with short errors: the usage and one line."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        print(f"{self.prog}: {message}", file=sys.stderr)
        raise SystemExit(USAGE)


def suggestion(word: str, valid: tuple[str, ...]) -> str:
    """The end of an error about an unknown word: `known: cnn4, resnet18; did you mean resnet18?`."""
    close = difflib.get_close_matches(word, valid, 1)
    return f"known: {', '.join(valid) or 'none'}" + (f"; did you mean {close[0]}?" if close else "")


def parser(framework: Framework) -> argparse.ArgumentParser:
    """The argument parser for one framework."""
    parse = _Parser(
        prog=f"python -m runners.{framework.name}",
        description=f"Measure one case once with {framework.title} and write one JSON record.",
    )
    add = parse.add_argument
    add("workload", nargs="?", help=f"one of {', '.join(framework.workloads)}")
    add("--list", action="store_true", help="print workloads, variants and options as JSON; needs no framework")
    add(
        "--check",
        action="store_true",
        help="time nothing; print the evidence and compare it with PyTorch's (exit code 1: they differ)",
    )
    add("--variant", help="the framework's variant (default: its first)")
    add("--loader", help="the data loader (load, fit)")
    for axis in AXES:
        kind = {"action": argparse.BooleanOptionalAction} if axis.kind is bool else {"type": _typed(axis)}
        add(f"--{axis.flag}", help=_described(axis), **kind)
    add("--model", default="", help=f"infer: your own model instead of a network: {FORMS}")
    add("--device", default="cpu", choices=("cpu", "gpu"))
    add("--threads", type=_positive, default=visible_cpus(), help="compute threads (default: the visible CPUs)")
    add("--manifest", type=Path, help="manifest.json of the data set (load, fit)")
    add("--data", type=Path, help="folder of the manifest's images (default: the folder that the manifest names)")
    add("--warmup-steps", type=_not_negative, default=5, help="leading steps that are recorded but never compared")
    add("--min-steps", type=_positive, default=40, help="least number of steps after the warm-up (default 40)")
    add("--max-steps", type=_positive, default=10_000, help="most steps after the warm-up (default 10000)")
    add("--min-seconds", type=_seconds, default=2.0, help="least time of the steps after the warm-up (default 2)")
    add("--run-id", default="by-hand", help="name of the run in the record (default: by-hand)")
    add("--record-id", default="", help="name of the record (default: a random name)")
    add("--framework-version", default="", help="the version that must be installed (default: any)")
    add("--compiler-cache", type=Path, help="folder where replicates share compiled code and packed images")
    add("--alias", default="", help="label of this competitor where the same program runs under two labels")
    add(
        "--inject-slowdown",
        type=_slowdown,
        default=1.0,
        help="multiply the time of every step of train, infer or scale by this factor, to check that a report finds it",
    )
    add("--block", type=_not_negative, default=0, help="the run's block, for the record; the launcher sets it")
    add("--position", type=_not_negative, default=0, help="place within the block; the launcher sets it")
    add("--sequence", type=_not_negative, default=0, help="place within the run; the launcher sets it")
    add("--order-seed", type=_not_negative, default=0, help="seed of the run's order; the launcher sets it")
    add("--out", type=Path, default=Path("results"), help="folder the record is written to (default: results)")
    return parse


def read(framework: Framework, argv: list[str]) -> Options | None:
    """The options of one replicate, or None for --list. Exits with 2 on an invalid command line."""
    parse = parser(framework)
    given = parse.parse_args(argv)
    if given.list:
        return None
    if given.workload is None:
        parse.error(f"which workload? {suggestion('', tuple(framework.workloads))}")
    offered = framework.workloads.get(given.workload)
    if offered is None:
        parse.error(f"unknown workload {given.workload!r}; {suggestion(given.workload, tuple(framework.workloads))}")
    own = _own_model(parse, given, offered)
    if given.check and given.batch_size is None:
        given.batch_size = BATCH_SIZE
    given.variant = given.variant or offered.variants[0]
    _require_valid(parse, "variant", given.variant, offered.variants)
    if offered.loaders:
        given.loader = given.loader or offered.loaders[0]
        _require_valid(parse, "loader", given.loader, offered.every_loader)
        if given.manifest is None:
            parse.error(f"{given.workload} needs --manifest FILE (make data prepares one)")
    _complete(parse, given, offered)
    if given.record_id and not all(c.isalnum() or c in "-_." for c in given.record_id):
        parse.error("--record-id: letters, digits, '-', '_' and '.' only")
    if given.alias and not (given.alias.isascii() and given.alias.isalnum()):
        parse.error("--alias: letters and digits only")
    if not all(c.isalnum() or c in "-_.+" for c in given.framework_version):
        parse.error("--framework-version: letters, digits, '-', '_', '.' and '+' only")
    if given.inject_slowdown != 1.0 and (offered.loaders or given.workload in ("fit", "export")):
        parse.error("--inject-slowdown applies to the workloads of steps only: train, infer, scale and roof")
    return Options(
        workload=given.workload,
        competitor=Competitor(framework.name, given.variant, given.loader or "", given.alias, given.framework_version),
        parameters=given,
        sampling=Sampling(
            given.warmup_steps, given.min_steps, max(given.min_steps, given.max_steps), given.min_seconds
        ),
        threads=given.threads,
        manifest=given.manifest,
        data=given.data,
        run_id=given.run_id,
        record_id=given.record_id or uuid.uuid4().hex,
        block=Block(given.block, given.position, given.sequence, given.order_seed, wall_time()),
        out=given.out,
        check_only=given.check,
        slowdown=given.inject_slowdown,
        compiler_cache=given.compiler_cache,
        model=own,
    )


def _own_model(parse: argparse.ArgumentParser, given: argparse.Namespace, offered: Workload) -> OwnModel | None:
    """The user's own model, if one is given. Sets the axes that follow from it."""
    if not given.model:
        if given.input_shape or str(given.network).startswith(OWN):
            parse.error(f"--input-shape and networks called {OWN}… are for your own model; give it with --model")
        return None
    if not offered.models:
        parse.error(f"--model: {parse.prog} loads no model of your own for {given.workload}")
    try:
        own = located(given.model)
        if own.kind not in offered.models:
            parse.error(f"--model: {parse.prog} does not load {KINDS[own.kind]}")
        if given.network not in (None, own.network) or given.input_size is not None:
            parse.error("--model: leave out --network and --input-size; --input-shape 3,224,224 gives the shape")
        if given.precision not in (None, *PRECISIONS):
            parse.error(f"--model: your own model is measured in {' or '.join(PRECISIONS)}, not in {given.precision}")
        given.network, given.input_shape = own.network, own.input_shape(given.input_shape or "")
        if own.fixed_batch:
            given.batch_size = given.batch_size or own.fixed_batch
            if given.batch_size != own.fixed_batch:
                parse.error(f"--batch-size {given.batch_size}: {own.path} is made for a batch of {own.fixed_batch}")
    except ModelError as error:
        parse.error(shown(str(error)))
    return own


def _complete(parse: argparse.ArgumentParser, given: argparse.Namespace, offered: Workload) -> None:
    """Give every axis of the workload a value; refuse axes that it does not have and values that are not offered."""
    for axis in AXES:
        if given.model and axis.name in OF_MODEL:
            continue
        value, usual = getattr(given, axis.name), _usual(axis, given, offered)
        valid = getattr(offered, axis.offers) if axis.offers else ()
        if value is not None and usual is None:
            workloads = ", ".join(axis.usual) if isinstance(axis.usual, Mapping) else "others"
            parse.error(f"--{axis.flag} does not apply to {given.workload}; it applies to {workloads}")
        setattr(given, axis.name, usual if value is None else value)
        if valid and getattr(given, axis.name) is not None:
            _require_valid(parse, axis.flag, getattr(given, axis.name), valid)
        elif not offered.supports(axis, given.workload, getattr(given, axis.name)):
            parse.error(f"--{axis.flag} {value}: {parse.prog} does not support it for {given.workload}")
    if missing := lacking(given.device, given.precision):
        has = ", ".join(precision for precision in offered.precisions if not lacking(given.device, precision))
        parse.error(f"precision {given.precision!r}: {missing}; it has {has}")
    sizes = offered.sizes.get(given.network or "", ())
    if sizes and given.input_size not in sizes:
        parse.error(
            f"--input-size {given.input_size}: {given.network} is measured at {', '.join(map(str, sorted(sizes)))}"
        )


def _usual(axis: Axis, given: argparse.Namespace, offered: Workload) -> Value | None:
    """The axis's usual value, or the framework's first if it does not offer that; None if the axis does not apply."""
    usual = axis.usual_of(given.workload)
    if axis.name == "input_size":
        return offered.usual_size(given.network) or usual
    valid: tuple[str, ...] = getattr(offered, axis.offers) if axis.offers else ()
    return valid[0] if valid and usual is not None and usual not in valid else usual


def _require_valid(parse: argparse.ArgumentParser, name: str, value: str, valid: tuple[str, ...]) -> None:
    if value not in valid:
        parse.error(f"unknown {name} {value!r}; {suggestion(value, valid)}")


def _described(axis: Axis) -> str:
    """The axis in `--help`: its meaning, its workloads, its default."""
    usual = axis.usual if isinstance(axis.usual, Mapping) else {"": axis.usual}
    if not usual:
        return axis.help
    values = dict.fromkeys("off" if value is False else str(value) for value in usual.values())
    checked = f"; with --check {BATCH_SIZE}, as in the stored evidence" if axis.name == "batch_size" else ""
    where = f" ({', '.join(usual)})" if "" not in usual else ""
    return f"{axis.help}{where}; default {' or '.join(values)}{checked}"


def _typed(axis: Axis) -> Callable[[str], Value]:
    if axis.kind is str:
        return str
    return _positive if axis.least else _not_negative


def _within(kind: type[int] | type[float], least: float, most: float, said: str) -> Callable[[str], Any]:
    """A reader of numbers from `least` to `most`, in words `said`."""

    def read(text: str) -> int | float:
        with contextlib.suppress(ValueError):
            if least <= (value := kind(text)) <= most:
                return value
        raise argparse.ArgumentTypeError(f"{text}: must be {said}")

    return read


_positive = _within(int, 1, math.inf, "1 or more")
_not_negative = _within(int, 0, math.inf, "0 or more")
_seconds = _within(float, 0, 86400, "between 0 and 86400 seconds")
_slowdown = _within(float, 1, 10, "from 1 (none) to 10 times")
