"""Tests that tell two labels apart: common tests, and the test of this project.

Each takes times, indexed by experiment, label, block and step, and says for each experiment whether the labels differ.
"""

from collections.abc import Callable

import numpy as np
from scipy import stats

from method.compare import ALPHA, paired

Rule = Callable[[np.ndarray], np.ndarray]
RESAMPLES = 999
INNER = 50
"""Resampled medians of each process, for the second stage of the hierarchical bootstrap."""


def welch(times: np.ndarray) -> np.ndarray:
    """Welch's t test on pooled steps."""
    left, right = _pooled(times)
    return np.asarray(stats.ttest_ind(left, right, axis=1, equal_var=False).pvalue < ALPHA)


def mann_whitney(times: np.ndarray) -> np.ndarray:
    """The rank test on pooled steps."""
    left, right = _pooled(times)
    return np.asarray(stats.mannwhitneyu(left, right, axis=1, method="asymptotic").pvalue < ALPHA)


def hierarchical(times: np.ndarray) -> np.ndarray:
    """The bootstrap over processes, then over steps in each process, for A and B separately (Kalibera & Jones 2013)."""
    draw = np.random.default_rng(1)
    blocks, steps = times.shape[2:]
    found = []
    for experiment in times:
        resampled = draw.integers(steps, size=(INNER, steps))
        medians = np.log(np.median(experiment[:, :, resampled], axis=-1))
        sides = [
            side[draw.integers(blocks, size=(RESAMPLES, blocks)), draw.integers(INNER, size=(RESAMPLES, blocks))]
            for side in medians
        ]
        found.append(_excludes_zero(sides[1].mean(axis=1) - sides[0].mean(axis=1)))
    return np.array(found)


def block_interval(times: np.ndarray) -> np.ndarray:
    """This project's test: the t interval of the blocks' log-ratios."""
    return np.array([p is not None and p < ALPHA for p in (paired(list(d)).p for d in log_ratios(times))])


def block_bootstrap(times: np.ndarray) -> np.ndarray:
    """The percentile bootstrap of the blocks' log-ratios."""
    draw = np.random.default_rng(1)
    return np.array([_excludes_zero(draw.choice(d, (RESAMPLES, d.size)).mean(axis=1)) for d in log_ratios(times)])


def log_ratios(times: np.ndarray) -> np.ndarray:
    """The log-ratio of B and A, indexed by experiment and block."""
    z = np.log(np.median(times, axis=-1))
    return np.asarray(z[:, 1] - z[:, 0])


def _pooled(times: np.ndarray) -> np.ndarray:
    return times.reshape(len(times), 2, -1).swapaxes(0, 1)


def _excludes_zero(means: np.ndarray) -> bool:
    low, high = np.quantile(means, (ALPHA / 2, 1 - ALPHA / 2))
    return bool(low > 0 or high < 0)


RULES: dict[str, Rule] = {
    "Welch t on pooled steps": welch,
    "Mann-Whitney on pooled steps": mann_whitney,
    "hierarchical bootstrap, unpaired": hierarchical,
    "percentile bootstrap on blocks": block_bootstrap,
    "**t interval on block log-ratios**": block_interval,
}
