"""Runs in TensorFlow's own Python: the types of a decoded image and of an image that was ready. Prints JSON.

argv: framework, manifest.
"""

import dataclasses
import itertools
import json
import sys
from pathlib import Path

import numpy as np

from runners.harness.manifest import read_manifest
from runners.reference.source import SIDE, Source
from runners.tensorflow import loader_tfdata


def main(manifest_path: str) -> None:
    manifest = read_manifest(Path(manifest_path))
    path = f"{manifest.root}/{manifest.splits['all'][0].path}"
    found = {}
    for tuned, stage in itertools.product((False, True), ("decode", "batch", "normalize")):
        source = Source((path,), 1, stage, 1, tuned)
        ready = dataclasses.replace(source, ready=np.zeros((1, SIDE, SIDE, 3), np.uint8))
        found[f"{'tuned' if tuned else 'plain'}/{stage}"] = [kind(source), kind(ready)]
    print(json.dumps(found))


def kind(source: Source) -> str:
    """The type of an image before it is stacked and normalised."""
    images, pixels = loader_tfdata._decoded(source, loader_tfdata.files)
    return images.map(pixels).element_spec.dtype.name


if __name__ == "__main__":
    main(*sys.argv[2:])
