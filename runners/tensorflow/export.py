"""Writes a network into an ONNX file or a TensorFlow Lite file."""

from pathlib import Path

import keras
import numpy as np
import onnxruntime
import tensorflow as tf

from runners.harness.workload import OnceWork, Request
from runners.reference.batch import images
from runners.reference.exporting import exporting
from runners.reference.layers import CLASSES
from runners.reference.layout import nhwc
from runners.reference.weights import weights
from runners.tensorflow import device as devices
from runners.tensorflow.device import Computed
from runners.tensorflow.network import build, sizes

FORMATS = {"onnx": "onnx", "tflite": "litert"}
"""Keras's names of the formats."""


def prepare(request: Request) -> OnceWork:
    """The model with the shared weights. The file takes batches of the case's size, as in every framework."""
    case, classes = request.case, CLASSES[request.case.network]
    devices.configure(request)
    model = build(case.network, classes, weights(case.network, case.seed, classes), case.input_size)
    signature = [keras.InputSpec(shape=(case.batch_size, case.input_size, case.input_size, 3), dtype="float32")]
    batch = nhwc(images(case.seed, case.batch_size, case.input_size))

    def export(path: Path) -> None:
        model.export(str(path), format=FORMATS[case.format], verbose=False, input_signature=signature)

    def computed() -> list[Computed]:
        logits = model(batch, training=False)
        return [Computed(logits.device, logits.dtype)]

    return exporting(
        request,
        export=export,
        source=lambda part: model(nhwc(part), training=False).numpy(),
        exported=RUNTIMES[case.format],
        parameters=sizes(model, classes),
        seen=lambda: devices.seen(computed(), devices.layout(batch), devices.parameter_precision(model)),
    )


def run_onnx(path: Path, part: np.ndarray) -> np.ndarray:
    """The file's logits of N × 3 × side × side images, computed by ONNX Runtime."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: np.ascontiguousarray(nhwc(part))})[0]


def run_tflite(path: Path, part: np.ndarray) -> np.ndarray:
    """The same, computed by TensorFlow Lite's interpreter."""
    interpreter = tf.lite.Interpreter(str(path))
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], nhwc(part))
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


RUNTIMES = {"onnx": run_onnx, "tflite": run_tflite}
