"""Runs in TensorFlow's own Python: tests parts of its runners and prints the results as JSON."""

import gc
import json
import sys
import tempfile
import weakref
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import tensorflow as tf

from runners.harness import precision
from runners.harness.case import Case, Competitor
from runners.harness.cli import main
from runners.harness.workload import Request
from runners.reference import roof as limits
from runners.reference.batch import images
from runners.reference.layout import nhwc
from runners.reference.precision import DTYPES
from runners.reference.stream import stream, uniform
from runners.reference.weights import weights
from runners.tensorflow import device as devices
from runners.tensorflow import graph_v1, roof
from runners.tensorflow.framework import FRAMEWORK
from runners.tensorflow.network import build

THREADS = 2
CASE = Case("infer", "cpu", batch_size=2, seed=25, network="cnn4", input_size=32, scope="compute")


def request(folder, case=CASE):
    return Request(case, Competitor("tensorflow", "graph_v1"), THREADS, folder, folder)


def workers():
    """The number of threads on which TensorFlow's executors run operations."""
    names = [path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")]
    return names.count("tf_Compute")


class Constants:
    """Wrong inputs of a graph: constants."""

    def __init__(self, arrays, dtypes, _request):
        self.tensors = [tf.constant(array, dtype) for array, dtype in zip(arrays, dtypes, strict=True)]

    def feed(self, _session, *_arrays):
        return {}


def frozen(folder, inputs=graph_v1._Inputs):
    """The operations of cnn4 in a session, its logits of two batches, and whether the frozen model was freed."""
    arrays = weights("cnn4", 25, 100)
    model = build("cnn4", 100, arrays, 16)
    gone = weakref.ref(model)
    # So small that TensorFlow could fold all of it: it folds results of up to 100 kB.
    batches = [nhwc(images(seed, 2, 16)) for seed in (25, 26)]
    expected = [model(batch, training=False).numpy() for batch in batches]
    before, usual = workers(), graph_v1._Inputs
    graph_v1._Inputs = inputs
    network = graph_v1.FrozenForward(model, batches[0], request(folder), "CPU:0")
    del model
    gc.collect()
    gc.freeze()  # as the harness does before it calls `compile`
    network.compile()
    graph_v1._Inputs = usual
    network.step()
    answer = {
        "threads": workers() - before,
        "operations": [node.op for node in graph_v1.executed(network._session, network._logits.op, network._feeds)],
        "errors": [float(abs(network.logits(b) - e).max()) for b, e in zip(batches, expected, strict=True)],
        "apart": float(abs(expected[0] - expected[1]).max()),
        "model_gone": gone() is None,
    }
    network.close()
    return answer


def in_another_precision(folder, workload, fault):
    """The record of a replicate in bf16. With `fault`, the runner computes in float32."""
    names = {"infer": DTYPES, "train": devices.MIXED}[workload]
    usual = names["bf16"]
    if fault:
        names["bf16"] = "float32"
    out = folder / f"{workload}{fault}"
    argv = [workload, "--network", "cnn4", "--batch-size", "2", "--precision", "bf16", "--threads", str(THREADS)]
    argv += ["--warmup-steps", "0", "--min-steps", "4", "--min-seconds", "0", "--out", str(out)]
    # A CPU without bf16 gets the same numbers, but slowly, so the harness would refuse to time it.
    with mock.patch.object(precision, "cpu_flags", frozenset):
        code = main(FRAMEWORK, argv)
    names["bf16"] = usual
    record = json.loads(next(out.glob("*.json")).read_text())
    return {
        "code": code,
        "error": record["error"] and record["error"]["kind"],
        "effective": record["effective"] and record["effective"]["precision"],
        "parameters": record["effective"] and record["effective"]["settings"]["parameters"],
        "compiler_cache": record["samples"] and record["samples"]["compiler_cache"],
    }


def address(tensor):
    """The memory address of a tensor's numbers; `numpy()` would copy them."""
    return np.asarray(memoryview(tensor)).ctypes.data


def rates(folder):
    """The evidence of `roof`, numpy's results, and whether `roof` really copies memory."""
    limits.SIDES, limits.COPIES, limits.DRAWN, limits.SHOWN_ELEMENTS = {"cpu": 16}, 2, 64, 64
    case = replace(CASE, workload="roof", network=None, input_size=None, scope=None)
    product = roof.prepare(request(folder, replace(case, stage="product")))
    left, right = (uniform(stream(25, f"roof/{name}"), 256).reshape(16, 16) for name in ("left", "right"))
    copy = roof.prepare(request(folder, replace(case, stage="copy")))
    source = copy.step.keywords["v"]

    return {
        "product": float(abs(product.step().numpy() - left @ right).max()),
        "flops": product.flops,
        "copy": float(abs(copy.step().numpy() - uniform(stream(25, "roof/copy"), 64)).max()),
        "bytes": copy.bytes,
        "copy_shares": address(copy.step()) == address(source),
        "identity_shares": address(tf.identity(source)) == address(source),
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        devices.configure(request(root))
        answers = {
            "frozen": frozen(root),  # first, because all sessions of a process share the threads of the first session
            "folded": frozen(root, Constants)["operations"],
            "rates": rates(root),
            "precision": {
                f"{workload} {'wrong' if fault else 'right'}": in_another_precision(root, workload, fault)
                for workload in ("infer", "train")
                for fault in (False, True)
            },
        }
    json.dump(answers, sys.stdout)
