"""The limits of the machine, from its own measured rates, and the shortest time that a step can take on it.

The roofline model of Williams, Waterman, Patterson: Roofline: an insightful visual performance model for multicore
architectures, CACM 2009. Rates are measured by `roof` cases of the same run on the same machine: the product of two
large matrices, and the copy of a large array.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aggregator.judge.analysis import CaseResult
from aggregator.judge.means import geometric_mean
from aggregator.judge.sides import Side
from aggregator.read.replicate import computed
from runners.harness.record import Record

PRODUCT, COPY = "product", "copy"
COPY_PRECISION = "fp32"


@dataclass(frozen=True)
class Rate:
    """Operations or bytes per second: geometric mean over n replicates, its 95 % interval, and the competitor."""

    per_second: float
    low: float | None
    high: float | None
    n: int
    by: str


@dataclass(frozen=True)
class Attainable:
    """The shortest time of a step at the machine's rates, in seconds; `limit` names the rate that determines it."""

    flops: int
    bytes: int
    limit: str
    rate: Rate

    @property
    def seconds(self) -> float:
        """At the measured rate."""
        return self._at(self.rate.per_second)

    @property
    def bounds(self) -> tuple[float, float] | None:
        """At the two ends of the rate's interval."""
        if self.rate.low is None or self.rate.high is None:
            return None
        return self._at(self.rate.high), self._at(self.rate.low)

    @property
    def intensity(self) -> float:
        """Operations per byte."""
        return self.flops / self.bytes

    def _at(self, rate: float) -> float:
        return (self.flops if self.limit == PRODUCT else self.bytes) / rate


@dataclass(frozen=True)
class Unknown:
    """Why there is no attainable time."""

    reason: str


@dataclass(frozen=True)
class Roof:
    """The machine's best measured rates, by device and precision; a copy's are of float32."""

    products: dict[tuple[str, str], Rate]
    copies: dict[tuple[str, str], Rate]

    def attainable(self, result: CaseResult) -> Attainable | Unknown:
        """The shortest time of a step, from the counts in the case's records and the machine's rates."""
        case, costs = result.case, _costs(result)
        if len(costs) != 1:
            return Unknown(
                "its records count different numbers of operations"
                if costs
                else "no record counts operations and bytes"
            )
        product = self.products.get((case.device, case.precision))
        copy = self.copies.get((case.device, COPY_PRECISION))
        if product is None or copy is None:
            missing = "copy" if product else f"matrix product in {case.precision}"
            return Unknown(f"no {missing} was measured on this {case.device.upper()}: add `roof` cases to the profile")
        flops, moved = costs.pop()
        computing, moving = flops / product.per_second, moved / copy.per_second
        limit, rate = (PRODUCT, product) if computing >= moving else (COPY, copy)
        return Attainable(flops, moved, limit, rate)


def roof_of(cases: Iterable[CaseResult]) -> Roof:
    """The best rates that any competitor reached in the `roof` cases among these."""
    products: dict[tuple[str, str], Rate] = {}
    copies: dict[tuple[str, str], Rate] = {}
    for result in (case for case in cases if case.is_roof):
        best = products if result.case.stage == PRODUCT else copies if result.case.stage == COPY else {}
        key = (result.case.device, result.case.precision)
        for rate in (found for side in result.sides if (found := side_rate(side))):
            if key not in best or rate.per_second > best[key].per_second:
                best[key] = rate
    return Roof(products, copies)


def side_rate(side: Side) -> Rate | None:
    """The rate of one competitor in a `roof` case, over its replicates that computed in the case's precision."""
    logs = [math.log(found) for found in side.values(_rate)]
    if not logs:
        return None
    return Rate(*geometric_mean(logs), side.name)


def amount(record: Record) -> int | None:
    """What a step of a `roof` case does: operations of a product, bytes of a copy."""
    samples, stage = record.samples, record.case.stage
    if samples is None:
        return None
    return {PRODUCT: samples.flops_per_step, COPY: samples.bytes_per_step}.get(stage or "")


def _rate(record: Record) -> float | None:
    done = amount(record)
    observed = record.effective.precision if record.effective else None
    return None if done is None or observed != record.case.precision else done / computed(record).seconds


def _costs(result: CaseResult) -> set[tuple[int, int]]:
    every: Sequence[Record] = [record for side in result.sides for record in side.ok.values()]
    counted = [(record.samples.flops_per_step, record.samples.bytes_per_step) for record in every if record.samples]
    return {(flops, moved) for flops, moved in counted if flops is not None and moved is not None}
