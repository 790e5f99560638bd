"""Builds the work of `export`: one call of a framework's exporter, with the evidence that its file is right."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runners.harness.agreement import LOGITS_TOLERANCE
from runners.harness.record import Check
from runners.harness.workload import Invalid, OnceWork, Request, Seen
from runners.reference.batch import REFERENCE_IMAGES, images
from runners.reference.evidence import Logits, assert_parameters, in_timed_shape, model_check
from runners.reference.layers import CLASSES
from runners.reference.weights import Array

FLOAT_BYTES = 4
LEAST_SHARE = 0.95
"""The smallest size of a file, as a share of its trainable parameters in float32: an exporter may fold batch norms."""


def exporting(
    request: Request,
    *,
    export: Callable[[Path], object],
    source: Logits,
    exported: Callable[[Path, Array], NDArray[Any]],
    parameters: Mapping[str, int],
    seen: Callable[[], Seen],
) -> OnceWork:
    """The work of `export`. Only `export` is timed: it writes the model to a path, and may write files beside it.

    `source` gives the logits of the model that is exported, and `exported` the logits of the file, computed by a
    runtime of its format from the same images (N × 3 × side × side, as many as the case's batch). For `parameters` see
    `inference` in runners/reference/evidence.py. Raises Invalid.
    """
    case, classes = request.case, CLASSES[request.case.network]
    assert_parameters(case.network, classes, parameters)
    folder = request.scratch / "exported"
    folder.mkdir()
    path = folder / f"{case.network}.{case.format}"

    def run() -> None:
        try:
            export(path)
        except Exception as error:
            free, needed = shutil.disk_usage(folder).free, FLOAT_BYTES * sum(parameters.values())
            if free < needed:
                told = f"the file could not be written: {needed:,} bytes or more are needed, {free:,} are free there"
                raise Invalid("SAVE", told) from error
            raise

    def check() -> Check:
        size = sum(file.stat().st_size for file in folder.iterdir())
        if not path.is_file():
            raise Invalid("EXPORT", f"the exporter left no file of the name {path.name}")
        reference = images(case.seed, max(case.batch_size, REFERENCE_IMAGES), case.input_size)
        wanted = in_timed_shape(source, reference, case.batch_size)
        found = in_timed_shape(lambda part: exported(path, part), reference, case.batch_size)
        difference, allowed = float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted)), LOGITS_TOLERANCE["fp32"]
        if not difference <= allowed:
            told = f"logits of the exported file differ by {difference:.1e} from the model's, allowed {allowed:.0e}"
            raise Invalid("PARITY", told)
        evidence = model_check(request, classes, parameters, found)
        least = int(LEAST_SHARE * FLOAT_BYTES * (evidence.trainable or 0))
        if size < least:
            told = f"the exported file has {size:,} bytes; weights in float32 take {least:,} or more"
            raise Invalid("EXPORT", told)
        return replace(evidence, file_bytes=size, export_difference=difference)

    return OnceWork("export", run, check, seen)
