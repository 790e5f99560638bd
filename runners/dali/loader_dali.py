"""DALI on the CPU: a graph of operations that a pool of threads computes."""

from collections.abc import Callable, Iterator

from runners.dali import graph
from runners.reference.passes import ObservedPass
from runners.reference.source import Source


def opened(source: Source, endless: bool) -> Callable[[], Iterator]:
    """A function that builds a pipeline for a pass over the images in order, or for an endless pass.

    Raises Unsupported.
    """
    return graph.passes(source, endless, decoder="cpu")


def observed(source: Source) -> ObservedPass:
    """An endless pass. DALI keeps no statistics of the time that its operations take."""
    return opened(source, True)(), tuple


def settings(source: Source) -> dict[str, str]:
    """The settings in effect, read back while the threads run."""
    return graph.settings(source)
