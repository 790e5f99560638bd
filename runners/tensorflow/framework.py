"""The declaration of TensorFlow, which needs no TensorFlow installed."""

from dataclasses import replace

from runners.harness.case import AS_VARIANT, PIPED
from runners.harness.workload import Framework, Workload
from runners.reference.layers import CLASSES, FIT_SIZES, SCALED, SIZES

VARIANTS = ("graph", "eager", "xla", "graph_v1", "predict", "tuned")
SCOPES = ("compute", "transfer+compute")
PRECISIONS = ("fp32", "tf32", "bf16", "fp16")
STEPS = Workload(VARIANTS, networks=tuple(CLASSES), sizes=SIZES, scopes=SCOPES, precisions=PRECISIONS)

FRAMEWORK = Framework(
    name="tensorflow",
    distributions=("tensorflow", "tensorflow-cpu", "tensorflow_cpu", "keras", "tf2onnx"),
    workloads={
        "train": STEPS,
        "infer": replace(STEPS, models=("function",)),
        "scale": Workload(("graph",), networks=SCALED, sizes=SIZES),
        "load": Workload(
            variants=("plain", "tuned"),
            loaders=("tfdata",),
            more_loaders=("tfrecord",),
            stages=("decode", "batch", "normalize", "transfer"),
            tracks=("matched", "default"),
            gpu_copies=(AS_VARIANT, PIPED),
            takes=("prefetch",),
        ),
        "export": Workload(
            ("keras",), networks=tuple(CLASSES), sizes=SIZES, formats=("onnx", "tflite"), devices=("cpu",)
        ),
        "roof": Workload(variants=("graph",), stages=("product", "copy"), precisions=PRECISIONS),
        "fit": Workload(variants=("graph", "tuned"), loaders=("tfdata",), networks=tuple(FIT_SIZES), sizes=FIT_SIZES),
    },
    title="TensorFlow",
    loader_titles={"tfdata": "tf.data", "tfrecord": "TFRecord"},
)
