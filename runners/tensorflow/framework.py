"""The declaration of TensorFlow, which needs no TensorFlow installed."""

from runners.harness.workload import Framework, Workload
from runners.reference.layers import CLASSES, SCALED, SIZES

VARIANTS = ("graph", "eager", "xla", "graph_v1", "predict", "tuned")
SCOPES = ("compute", "transfer+compute")
PRECISIONS = ("fp32", "tf32", "bf16", "fp16")

FRAMEWORK = Framework(
    name="tensorflow",
    distributions=("tensorflow", "tensorflow-cpu", "tensorflow_cpu", "keras"),
    workloads={
        "train": Workload(VARIANTS, networks=tuple(CLASSES), sizes=SIZES, scopes=SCOPES, precisions=PRECISIONS),
        "infer": Workload(VARIANTS, networks=tuple(CLASSES), sizes=SIZES, scopes=SCOPES, precisions=PRECISIONS),
        "scale": Workload(("graph",), networks=SCALED, sizes=SIZES),
        "load": Workload(
            variants=("plain", "tuned"),
            loaders=("tfdata",),
            stages=("decode", "batch", "normalize", "transfer"),
            tracks=("matched", "default"),
            gpu_copies=("variant", "piped"),
            takes=("prefetch",),
        ),
        "roof": Workload(variants=("graph",), stages=("product", "copy"), precisions=PRECISIONS),
        "fit": Workload(variants=("graph", "tuned"), loaders=("tfdata",), networks=("cnn4",), sizes=SIZES),
    },
    title="TensorFlow",
)
