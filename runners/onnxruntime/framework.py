"""The declaration of ONNX Runtime, which needs no ONNX Runtime installed."""

from runners.harness.workload import Framework, Workload
from runners.reference.layers import CLASSES, SIZES

FRAMEWORK = Framework(
    name="onnxruntime",
    distributions=("onnxruntime", "onnxruntime-gpu", "onnx"),
    workloads={
        "infer": Workload(
            variants=("ort", "tuned"),
            networks=tuple(CLASSES),
            sizes=SIZES,
            scopes=("compute", "transfer+compute"),
            precisions=("fp32", "tf32", "fp16"),
            models=("onnx", "function"),
        ),
    },
    title="ONNX Runtime",
)
