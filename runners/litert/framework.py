"""The declaration of LiteRT (formerly TensorFlow Lite), which needs no LiteRT installed."""

from runners.harness.workload import Framework, Workload
from runners.reference.layers import CLASSES, SIZES

SCOPES = ("compute", "transfer+compute")
INFER = Workload(
    ("xnnpack",), networks=tuple(CLASSES), sizes=SIZES, scopes=SCOPES, devices=("cpu",), models=("function",)
)
FRAMEWORK = Framework("litert", ("ai-edge-litert", "tensorflow_cpu"), {"infer": INFER}, by_name=True, title="LiteRT")
