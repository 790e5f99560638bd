"""DALI with nvJPEG: the GPU decodes, resizes and normalises. This loader has not run on a GPU yet."""

from collections.abc import Callable, Iterator

from runners.dali import graph
from runners.harness.workload import Unsupported
from runners.reference.passes import ObservedPass
from runners.reference.source import Source


def opened(source: Source, endless: bool) -> Callable[[], Iterator]:
    """A function that builds a pipeline for a pass over the images in order, or for an endless pass.

    Raises Unsupported.
    """
    if source.stage != "transfer":
        raise Unsupported(
            "nvJPEG decodes on a GPU and its images stay there, so it takes part in the stage transfer only"
        )
    return graph.passes(source, endless, decoder="mixed")


def observed(source: Source) -> ObservedPass:
    """An endless pass. DALI keeps no statistics of the time that its operations take."""
    return opened(source, True)(), tuple


def settings(source: Source) -> dict[str, str]:
    """The settings in effect, read back while the threads run."""
    return graph.settings(source)
