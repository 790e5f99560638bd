"""Threads, device and precision in TensorFlow: set before anything runs, and read back for the record."""

import os
from collections.abc import Callable, Iterable
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from runners.harness.workload import Invalid, Request, Seen
from runners.reference.precision import precision
from runners.reference.rounding import multiplies_in_tf32

MIXED = {"fp32": "float32", "tf32": "float32", "bf16": "mixed_bfloat16", "fp16": "mixed_float16"}
"""Keras's policies for training in a precision: the policy changes the computation, weights stay in float32."""

NO_MEMORY = ("resource_exhausted", "resource exhausted", "out of memory", "failed to allocate", "oom when allocating")
"""Parts of messages for full memory, in lower case."""


class Computed(NamedTuple):
    """The device and the type of a result, for results that are not tensors."""

    device: str
    dtype: object


def configure(request: Request, meet: Callable[[], None] = lambda: None) -> str:
    """Put the request's settings into effect and return the device's name. Raises Invalid.

    `meet` connects several processes: after the threads and the device are set, and before anything is computed.
    """
    case = request.case
    _keep_compiled(request)
    threading = tf.config.threading
    if _threads() != (request.threads, request.threads):
        threading.set_intra_op_parallelism_threads(request.threads)
        # With one thread, a convolution's two gradients would run one after the other, which no user does.
        threading.set_inter_op_parallelism_threads(request.threads)
    _choose_device(case.device)
    meet()
    tf.config.experimental.set_synchronous_execution(True)
    tf.config.optimizer.set_jit(False)
    tf.config.experimental.enable_tensor_float_32_execution(case.precision == "tf32")
    keras.utils.set_random_seed(case.seed)
    _rounds_to_tf32(case.device.upper())  # a first computation, before anything is measured
    return f"{case.device.upper()}:0"


def seen(
    results: Iterable[Computed | tf.Tensor | keras.Variable], layout: str | None, parameters: str | None = None
) -> Seen:
    """The settings in effect, read back from TensorFlow and from results.

    `results` are things that the steps produced or changed: logits, a model's variables, delivered images.
    `parameters` is the number format of the weights.
    """
    results = [result.value if isinstance(result, keras.Variable) else result for result in results]
    places = {result.device.split(":")[-2].lower() for result in results}
    intra, inter = _threads()
    on_gpu = places == {"gpu"}
    return Seen(
        device="+".join(sorted(places)),
        precision=precision(tf.as_dtype(result.dtype).name for result in results),
        threads_intra=intra,
        threads_inter=inter,
        layout=layout,
        parameters=parameters,
        tf32=_rounds_to_tf32("GPU") if on_gpu else None,
        gpu=_gpu_name() if on_gpu else None,
        # TensorFlow's allocator does not report how much it reserved.
        gpu_allocated_peak_bytes=tf.config.experimental.get_memory_info("GPU:0")["peak"] if on_gpu else None,
        settings={
            "xla": str(bool(tf.config.optimizer.get_jit())),
            "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "built-in default"),
            "synchronous_execution": str(tf.config.experimental.get_synchronous_execution()),
            "memory_growth": str(_memory_growth()) if on_gpu else "none",
        },
    )


def parameter_precision(model: keras.Model) -> str:
    """The number format of the model's parameters."""
    return precision(variable.dtype for variable in model.variables)


def places(model: keras.Model) -> list[str]:
    """The devices of the model's variables."""
    return [variable.value.device for variable in model.variables]


def computed_in(result: tf.Tensor | np.ndarray, model: keras.Model) -> list[Computed]:
    """The device and the type of a result. For a result that was copied to the host, the devices of the model."""
    if isinstance(result, tf.Tensor):
        return [Computed(result.device, result.dtype)]
    return [Computed(place, result.dtype) for place in places(model)]


def layout(batch: tf.Tensor | np.ndarray) -> str:
    """The layout of N RGB images, from their shape: TensorFlow's tensors have no strides."""
    return "NHWC" if batch.shape[-1] == 3 else "NCHW"


def put(array: np.ndarray, device: str) -> tf.Tensor:
    """A copy on the device."""
    with tf.device(device):
        return tf.constant(array)


def synchronizer(device: str) -> Callable[[], None]:
    """A function that waits until the device has finished; a CPU has finished when a call returns (see configure)."""
    # On a CPU, sync_devices has nothing to wait for and takes 8 µs.
    return tf.test.experimental.sync_devices if device.startswith("GPU") else _nothing_to_wait_for


def reset_gpu_peak() -> None:
    """Restart the allocator's peak at what it holds now."""
    tf.config.experimental.reset_memory_stats("GPU:0")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether this is TensorFlow's error for full memory. XLA and the GPU's libraries report it as internal errors."""
    told = isinstance(error, tf.errors.OpError) and any(words in str(error).lower() for words in NO_MEMORY)
    return told or isinstance(error, tf.errors.ResourceExhaustedError)


def _threads() -> tuple[int, int]:
    return (
        tf.config.threading.get_intra_op_parallelism_threads(),
        tf.config.threading.get_inter_op_parallelism_threads(),
    )


def _keep_compiled(request: Request) -> None:
    """Let XLA keep compiled code. XLA reads this variable once, before its first use.

    A second process needed half the time for its first step, on a CPU too.
    """
    flags = os.environ.get("TF_XLA_FLAGS", "")
    os.environ["TF_XLA_FLAGS"] = f"{flags} --tf_xla_persistent_cache_directory={request.compiler_cache}".strip()


def _choose_device(device: str) -> None:
    gpus = tf.config.list_physical_devices("GPU")
    if device != "gpu":
        tf.config.set_visible_devices([], "GPU")
        return
    if not gpus:
        raise Invalid("DEVICE", "a GPU was requested, TensorFlow sees none; check the driver, or use the CPU")
    tf.config.set_visible_devices(gpus[:1], "GPU")
    # Otherwise TensorFlow takes nearly all memory at once, and its peak says nothing.
    tf.config.experimental.set_memory_growth(gpus[0], True)


def _rounds_to_tf32(device: str) -> bool:
    """Whether a float32 product on this kind of device (CPU, GPU) rounds its factors to TF32.

    Raises Invalid if the product is wrong or another device computed it: the CPU must never silently replace a GPU.
    """

    def squared(matrix: np.ndarray) -> np.ndarray:
        product = tf.matmul(matrix, matrix)
        if product.device.split(":")[-2] != device:
            raise Invalid("DEVICE", f"{device} was requested, TensorFlow computed on {product.device}")
        return product.numpy()

    return multiplies_in_tf32(squared)


def _gpu_name() -> str | None:
    return tf.config.experimental.get_device_details(tf.config.get_visible_devices("GPU")[0]).get("device_name")


def _memory_growth() -> bool:
    return tf.config.experimental.get_memory_growth(tf.config.get_visible_devices("GPU")[0])


def _nothing_to_wait_for() -> None:
    pass
