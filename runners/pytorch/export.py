"""Writes a network into an ONNX file."""

from pathlib import Path

import numpy as np
import onnxruntime
import torch

from runners.harness.workload import OnceWork, Request
from runners.pytorch import device as devices
from runners.pytorch.networks import build, sizes
from runners.reference.batch import images
from runners.reference.exporting import exporting
from runners.reference.layers import CLASSES
from runners.reference.weights import weights


def prepare(request: Request) -> OnceWork:
    """The model with the shared weights, and a batch as its example input."""
    case, classes = request.case, CLASSES[request.case.network]
    devices.configure(request)
    model = build(case.network, classes, weights(case.network, case.seed, classes)).eval()
    example = torch.from_numpy(images(case.seed, case.batch_size, case.input_size))

    def export(path: Path) -> None:
        torch.onnx.export(model, (example,), path, dynamo=request.competitor.variant == "dynamo", verbose=False)

    def logits(part: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return model(torch.from_numpy(part)).numpy()

    return exporting(
        request,
        export=export,
        source=logits,
        exported=run,
        parameters=sizes(model),
        seen=lambda: devices.seen([torch.from_numpy(logits(example.numpy()))], "NCHW", model.parameters()),
    )


def run(path: Path, part: np.ndarray) -> np.ndarray:
    """The file's logits of N × 3 × side × side images, computed by ONNX Runtime."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: part})[0]
