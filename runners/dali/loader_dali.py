"""DALI on the CPU: a graph of operations that a pool of threads computes."""

from collections.abc import Callable, Iterator

from runners.dali import graph
from runners.harness.workload import Unsupported
from runners.reference.passes import ObservedPass
from runners.reference.source import Source

COPIES_ITSELF = "DALI copies batches to the GPU inside its pipeline only; use VARIANTS=tuned"


def opened(source: Source, endless: bool) -> Callable[[], Iterator]:
    """A function that builds a pipeline for a pass over the images in order, or for an endless pass.

    Raises Unsupported.
    """
    if source.stage == "transfer" and not source.tuned:
        raise Unsupported(COPIES_ITSELF)
    return graph.passes(source, endless, decoder="cpu")


def observed(source: Source) -> ObservedPass:
    """An endless pass. DALI keeps no statistics of the time that its operations take."""
    return opened(source, True)(), tuple


def settings(source: Source) -> dict[str, str]:
    """The settings in effect, read back while the threads run."""
    return graph.settings(source)
