"""What PyTorch offers: readable without PyTorch installed."""

from runners.harness.workload import Framework, Workload

NETWORKS = ("cnn4", "resnet18", "mobilenet_v2")

FRAMEWORK = Framework(
    name="pytorch",
    distributions=("torch", "torchvision", "spdl", "numpy", "pillow"),
    workloads={
        "train": Workload(variants=("eager", "compile"), networks=NETWORKS, scopes=("compute",)),
        "infer": Workload(variants=("eager", "compile"), networks=NETWORKS, scopes=("compute",)),
        "load": Workload(
            variants=("plain", "tuned"),
            loaders=("torch", "spdl"),
            stages=("decode", "batch", "normalize"),
        ),
        "fit": Workload(variants=("eager",), loaders=("torch",), networks=("cnn4",)),
    },
)
