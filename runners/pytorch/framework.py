"""What PyTorch offers: readable without PyTorch installed."""

from runners.harness.workload import Framework, Workload
from runners.reference.layers import CLASSES, SIZES

STEPS = Workload(variants=("eager", "compile"), networks=tuple(CLASSES), sizes=SIZES, scopes=("compute",))

FRAMEWORK = Framework(
    name="pytorch",
    distributions=("torch", "torchvision", "spdl", "numpy", "pillow"),
    workloads={
        "train": STEPS,
        "infer": STEPS,
        "load": Workload(
            variants=("plain", "tuned"),
            loaders=("torch", "spdl"),
            stages=("decode", "batch", "normalize"),
        ),
        "fit": Workload(variants=("eager",), loaders=("torch",), networks=("cnn4",)),
    },
)
