"""ONNX Runtime as a contestant: inference only."""

import os

# From 1.29 on it reports each session to its makers, with hashes of graph and weights, from a thread of its own. No
# benchmark of ours sends anything, and nothing runs beside its steps. It looks when imported: this has to come before.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
