"""The declaration of NVIDIA DALI, which needs no DALI installed."""

from runners.harness.workload import Framework, Workload

LOAD = Workload(
    variants=("plain", "tuned"),
    loaders=("dali",),
    more_loaders=("nvjpeg",),
    stages=("decode", "batch", "normalize", "transfer"),
    tracks=("matched", "default"),
    takes=("prefetch",),
)
FRAMEWORK = Framework(
    "dali",
    ("nvidia-dali-cuda130",),
    {"load": LOAD},
    by_name=True,
    title="NVIDIA DALI",
    loader_titles={"dali": "CPU decoder", "nvjpeg": "nvJPEG"},
)
