"""What TensorFlow offers: readable without TensorFlow installed."""

from runners.harness.workload import Framework, Workload
from runners.reference.layers import CLASSES, SIZES

FRAMEWORK = Framework(
    name="tensorflow",
    distributions=("tensorflow", "tensorflow-cpu", "tensorflow_cpu", "keras", "numpy", "pillow"),
    workloads={
        "train": Workload(
            variants=("graph", "eager"),
            networks=tuple(CLASSES),
            sizes=SIZES,
            scopes=("compute",),
        ),
        "infer": Workload(
            variants=("graph", "eager"),
            networks=tuple(CLASSES),
            sizes=SIZES,
            scopes=("compute",),
        ),
        "load": Workload(
            variants=("plain", "tuned"),
            loaders=("tfdata",),
            stages=("decode", "batch", "normalize"),
        ),
        "fit": Workload(variants=("graph",), loaders=("tfdata",), networks=("cnn4",)),
    },
)
