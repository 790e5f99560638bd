"""ONNX Runtime under test: inference only."""

import os

# From 1.29 on, ONNX Runtime reports each session to its makers, with hashes of graph and weights, in a thread of its
# own. Our benchmarks send nothing, and no other thread may run during the steps. The variable must be set before the
# import.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
