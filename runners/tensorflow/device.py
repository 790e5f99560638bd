"""Threads, device and precision in TensorFlow: set before anything runs, read back for the record."""

import functools
import os
from collections.abc import Callable, Iterable
from typing import NamedTuple, ParamSpec, TypeVar

import keras
import numpy as np
import tensorflow as tf

from runners.harness.host import cgroup_cpu_quota, shm_bytes, visible_cpus
from runners.harness.record import Effective
from runners.harness.workload import Invalid, OutOfMemory, Request
from runners.reference.precision import precision

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

DTYPES = {"fp32": "float32", "tf32": "float32", "bf16": "bfloat16", "fp16": "float16"}
"""What a case's precision is called here; as a policy, it keeps the weights in that type as well."""
MIXED = {"fp32": "float32", "tf32": "float32", "bf16": "mixed_bfloat16", "fp16": "mixed_float16"}
"""Keras's policies for training in a precision: what it computes in, not what the weights are kept in."""
PROBE_SIDE = 256


class Seen(NamedTuple):
    """Where something was computed and in what type."""

    device: str
    dtype: object


def configure(request: Request) -> str:
    """Put the request's settings into effect and return the device's name. Raises Invalid."""
    case = request.case
    _keep_compiled(request)
    threading = tf.config.threading
    if _threads() != (request.threads, request.threads):
        threading.set_intra_op_parallelism_threads(request.threads)
        # One thread here would run the two gradients of a convolution one after the other, which no user does.
        threading.set_inter_op_parallelism_threads(request.threads)
    _choose_device(case.device)
    tf.config.experimental.set_synchronous_execution(True)
    tf.config.optimizer.set_jit(False)
    tf.config.experimental.enable_tensor_float_32_execution(case.precision == "tf32")
    keras.utils.set_random_seed(case.seed)
    device = "GPU:0" if case.device == "gpu" else "CPU:0"
    _assert_computes_on(device)
    return device


def effective(request: Request, seen: Iterable[tf.Tensor | keras.Variable | Seen], layout: str | None) -> Effective:
    """The settings in effect, read back from TensorFlow and from what was seen. Raises Invalid where others were asked.

    `seen` is what was computed or worked on: logits, a model's variables, what a loader delivered.
    """
    values = [value.value if isinstance(value, keras.Variable) else value for value in seen]
    intra, inter = _threads()
    if (intra, inter) != (request.threads, request.threads):
        raise Invalid("THREADS", f"{request.threads} threads asked for, TensorFlow uses {intra} and {inter}")
    used, wanted = {value.device.split(":")[-2] for value in values}, request.case.device.upper()
    if used != {wanted} and request.case.workload != "load":  # loaders deliver in the host's memory
        raise Invalid("DEVICE", f"{wanted} was asked for, {' and '.join(sorted(used))} was used")
    on_gpu = used == {"GPU"}
    computed = precision(tf.as_dtype(value.dtype).name for value in values)
    rounded = on_gpu and _rounds_to_tf32()
    return Effective(
        device="gpu" if on_gpu else "cpu",
        precision="tf32" if rounded and computed == "fp32" else computed,
        threads_intra=intra,
        threads_inter=inter,
        tf32=rounded if on_gpu else None,
        layout=layout,
        visible_cpus=visible_cpus(),
        cgroup_cpu_quota=cgroup_cpu_quota(),
        shm_bytes=shm_bytes(),
        gpu=_gpu_name() if on_gpu else None,
        settings={
            "xla": str(bool(tf.config.optimizer.get_jit())),
            "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "built-in default"),
            "synchronous_execution": str(tf.config.experimental.get_synchronous_execution()),
            "memory_growth": str(_memory_growth()) if on_gpu else "none",
        },
    )


def kept_in(model: keras.Model) -> str:
    """The precision of the model's parameters."""
    return precision(variable.dtype for variable in model.variables)


def seen_in(result: tf.Tensor | np.ndarray, model: keras.Model) -> list[Seen]:
    """Where and in what a result was computed; one that was copied to the host, where the model's weights are."""
    if isinstance(result, tf.Tensor):
        return [Seen(result.device, result.dtype)]
    return [Seen(variable.value.device, result.dtype) for variable in model.variables]


def layout(batch: tf.Tensor | np.ndarray) -> str:
    """Where the channels of N RGB images lie; TensorFlow's tensors have no strides that could say otherwise."""
    return "NHWC" if batch.shape[-1] == 3 else "NCHW"


def synchronizer(device: str) -> Callable[[], None]:
    """Waits until the device has done all it was given; a CPU has when the call returns (see configure)."""
    # On a CPU sync_devices finds nothing to wait for and takes 8 µs to say so.
    return tf.test.experimental.sync_devices if device.startswith("GPU") else _nothing_to_wait_for


def gpu_peaks(device: str) -> tuple[int | None, int | None]:
    """Peak (allocated, reserved) bytes of TensorFlow's GPU allocator, which does not tell what it reserved."""
    if not device.startswith("GPU"):
        return None, None
    return tf.config.experimental.get_memory_info(device)["peak"], None


def naming_out_of_memory(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Tell "out of memory" from other errors in the harness's own words."""

    @functools.wraps(function)
    def guarded(*arguments: Arguments.args, **named: Arguments.kwargs) -> Result:
        try:
            return function(*arguments, **named)
        except (tf.errors.ResourceExhaustedError, MemoryError) as error:
            raise OutOfMemory(str(error) or "no memory left") from error

    return guarded


def _threads() -> tuple[int, int]:
    return (
        tf.config.threading.get_intra_op_parallelism_threads(),
        tf.config.threading.get_inter_op_parallelism_threads(),
    )


def _keep_compiled(request: Request) -> None:
    """Let XLA keep what it compiles. It reads this once, before its first use; where nothing is compiled nothing is
    kept. A second process was seen to need half the time for its first step, on a CPU too."""
    flags = os.environ.get("TF_XLA_FLAGS", "")
    os.environ["TF_XLA_FLAGS"] = f"{flags} --tf_xla_persistent_cache_directory={request.compiler_cache}".strip()


def _choose_device(device: str) -> None:
    gpus = tf.config.list_physical_devices("GPU")
    if device != "gpu":
        tf.config.set_visible_devices([], "GPU")
        return
    if not gpus:
        raise Invalid("DEVICE", "a GPU was asked for, TensorFlow sees none; check the driver, or ask for the CPU")
    tf.config.set_visible_devices(gpus[:1], "GPU")
    # Otherwise it takes nearly all memory at once and its peak says nothing.
    tf.config.experimental.set_memory_growth(gpus[0], True)


def _assert_computes_on(device: str) -> None:
    """A product of ones computed where it was asked for; never a silent fallback to the CPU."""
    ones = tf.ones((8, 8))
    product = tf.matmul(ones, ones)
    if not product.device.endswith(device) or float(tf.reduce_sum(product)) != 512:
        raise Invalid("DEVICE", f"{device} was asked for, TensorFlow computed on {product.device}")


def _rounds_to_tf32() -> bool:
    """Does a product in float32 lose what TF32's ten bits of mantissa cannot hold?"""
    side = (PROBE_SIDE, PROBE_SIDE)
    product = tf.matmul(tf.fill(side, 1 + 2.0**-12), tf.ones(side))
    return float(product[0, 0]) == PROBE_SIDE


def _gpu_name() -> str | None:
    return tf.config.experimental.get_device_details(tf.config.get_visible_devices("GPU")[0]).get("device_name")


def _memory_growth() -> bool:
    return tf.config.experimental.get_memory_growth(tf.config.get_visible_devices("GPU")[0])


def _nothing_to_wait_for() -> None:
    pass
