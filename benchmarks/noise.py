"""Simulated times of one program under two labels on a shared machine: two scenarios, drawn from a seed.

They model no particular machine; each scenario exaggerates an effect that breaks rules. The logarithm of a step's time
is the sum of the machine's level at that moment, the process's own level, correlated jitter, and occasional slow steps.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

from method.schedule import Entry, schedule
from runners.harness.case import Competitor

A = Competitor("pytorch", "eager", alias="A")
B = Competitor("pytorch", "eager", alias="B")
BATCH = 250
"""Experiments drawn at a time, to save memory."""


@dataclass(frozen=True)
class Noise:
    """A scenario. All scatters are standard deviations of the logarithm.

    The machine's level is a random walk with the standard deviation `drift` after one second. The machine also jumps
    between two levels `flip` apart, and stays on each for `dwell_seconds` on average. `process` is the scatter between
    processes, `step` the scatter of steps with the autocorrelation `correlation` (AR(1)). A share `tail` of the steps
    takes longer by `slow` times a Pareto (Lomax) number of shape `heavy`; for shapes below 2 its variance is infinite.
    """

    name: str
    drift: float
    flip: float
    dwell_seconds: float
    process: float
    step: float
    correlation: float
    tail: float
    slow: float
    heavy: float
    steps: int = 100
    step_seconds: float = 0.01
    start_seconds: float = 4.0

    def sentence(self) -> str:
        """All parameters in a sentence."""
        flips = f", flips by {math.expm1(self.flip):.0%} every {self.dwell_seconds:g} s" if self.flip else ""
        return (
            f"{self.steps} steps of {1000 * self.step_seconds:g} ms, {self.start_seconds:g} s from one process's last "
            f"to the next one's first; level: random walk of {self.drift:.2%} in a second{flips}; scatter between "
            f"processes {self.process:.1%}; steps {self.step:.0%} with correlation {self.correlation}; {self.tail:.0%} "
            f"of them longer by {self.slow} × Pareto({self.heavy})"
        )


DRIFT = Noise("drift", 0.0045, 0.0, math.inf, 0.02, 0.03, 0.8, 0.02, 0.3, 3.0)
FLIPS = Noise("level flips", 0.001, math.log(1.1), 60.0, 0.04, 0.03, 0.9, 0.03, 0.3, 1.5)
SCENARIOS = (DRIFT, FLIPS)


def experiments(noise: Noise, number: int, blocks: int, seed: int, *, interleaved: bool = True) -> np.ndarray:
    """Seconds, indexed by experiment, label (A, B), block and step.

    The processes are `interleaved` in the order of a run, or all of A run before all of B.
    """
    seconds = np.empty((number, 2, blocks, noise.steps))
    for first in range(0, number, BATCH):
        draw = np.random.default_rng([seed, first])
        times = _in_time(noise, draw, min(BATCH, number - first), 2 * blocks)
        for index, processes in enumerate(times, start=first):
            order = _order(blocks, index) if interleaved else [divmod(place, blocks) for place in range(2 * blocks)]
            for (side, block), steps in zip(order, processes, strict=True):
                seconds[index, side, block] = steps
    return seconds


def _order(blocks: int, seed: int) -> Iterator[tuple[int, int]]:
    """Label and block of each process, in the order in which a run with this seed starts them."""
    for replicate in schedule([Entry("same program", [A, B], blocks)], seed):
        yield (A, B).index(replicate.competitor), replicate.block


def _in_time(noise: Noise, draw: np.random.Generator, number: int, processes: int) -> np.ndarray:
    """Seconds, indexed by experiment, process and step, in the order of time."""
    shape = (number, processes, noise.steps)
    waited = np.full(shape[1:], noise.step_seconds)
    waited[:, 0] += noise.start_seconds
    walk = np.cumsum((noise.drift * np.sqrt(waited) * draw.normal(size=shape)).reshape(number, -1), axis=1)
    flipped = draw.random(shape) < -np.expm1(-2 * waited / noise.dwell_seconds) / 2
    flipped[:, 0, 0] = draw.random(number) < 0.5
    level = walk + noise.flip * (np.cumsum(flipped.reshape(number, -1), axis=1) % 2)
    jitter = noise.step * draw.normal(size=shape)
    jitter[..., 1:] *= math.sqrt(1 - noise.correlation**2)
    steps = lfilter([1.0], [1.0, -noise.correlation], jitter, axis=-1)
    own = noise.process * draw.normal(size=(number, processes, 1))
    slow = (draw.random(shape) < noise.tail) * noise.slow * draw.pareto(noise.heavy, shape)
    return noise.step_seconds * np.exp(level.reshape(shape) + own + steps) * (1 + slow)
