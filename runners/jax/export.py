"""Writes a network into a TensorFlow Lite file: jax2tf makes a TensorFlow function, TensorFlow's converter the file."""

from pathlib import Path

import jax
import numpy as np

from runners.harness.workload import OnceWork, Request
from runners.jax import device as devices
from runners.jax.network import Verbs
from runners.reference.batch import images
from runners.reference.exporting import exporting
from runners.reference.layout import nhwc, nhwc_weights
from runners.reference.walk import walk


def prepare(request: Request) -> OnceWork:
    """Parameters on the device, and the forward pass with these parameters."""
    case = request.case
    devices.configure(request)
    parameters = {name: jax.numpy.array(array) for name, array in nhwc_weights(case).items()}
    batch = nhwc(images(case.seed, case.batch_size, case.input_size))

    def forward(batch: jax.Array) -> jax.Array:
        return walk(case.network, Verbs(parameters), batch, case.input_size)

    def export(path: Path) -> None:
        # On the clock, as the exporters of PyTorch and Keras import their packages when they are called.
        import tensorflow as tf
        from jax.experimental import jax2tf

        tf.config.threading.set_intra_op_parallelism_threads(request.threads)
        tf.config.threading.set_inter_op_parallelism_threads(request.threads)
        function = tf.function(jax2tf.convert(forward, with_gradient=False), autograph=False)
        traced = function.get_concrete_function(tf.TensorSpec(batch.shape, tf.float32))
        path.write_bytes(tf.lite.TFLiteConverter.from_concrete_functions([traced], function).convert())

    return exporting(
        request,
        export=export,
        source=lambda part: np.asarray(forward(jax.numpy.array(nhwc(part)))),
        exported=run,
        parameters={name: array.size for name, array in parameters.items()},
        seen=lambda: devices.seen(forward(jax.numpy.array(batch)), parameters),
    )


def run(path: Path, part: np.ndarray) -> np.ndarray:
    """The file's logits of N × 3 × side × side images, computed by TensorFlow Lite's interpreter."""
    import tensorflow as tf

    interpreter = tf.lite.Interpreter(str(path))
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], nhwc(part))
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
