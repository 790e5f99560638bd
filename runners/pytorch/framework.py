"""The declaration of PyTorch, which needs no PyTorch installed."""

from runners.harness.workload import Framework, Workload
from runners.reference.layers import CLASSES, SCALED, SIZES

VARIANTS = ("eager", "script", "compile", "channels_last", "script_channels_last", "compile_channels_last", "tuned")
PRECISIONS = ("fp32", "tf32", "bf16", "fp16")
STEPS = Workload(
    variants=VARIANTS,
    networks=tuple(CLASSES),
    sizes=SIZES,
    scopes=("compute", "transfer+compute"),
    precisions=PRECISIONS,
)

FRAMEWORK = Framework(
    name="pytorch",
    distributions=("torch", "torchvision", "spdl", "opencv-python-headless"),
    workloads={
        "train": STEPS,
        "infer": STEPS,
        "scale": Workload(("eager",), networks=SCALED, sizes=SIZES),
        "roof": Workload(variants=("eager",), stages=("product", "copy"), precisions=PRECISIONS),
        "load": Workload(
            variants=("plain", "tuned"),
            loaders=("torch", "spdl"),
            more_loaders=("spdl_process", "opencv", "torch_threads"),
            stages=("decode", "batch", "normalize", "transfer"),
            tracks=("matched", "default"),
            gpu_copies=("variant", "piped"),
            takes=("prefetch",),
        ),
        "fit": Workload(variants=("eager", "tuned"), loaders=("torch", "spdl"), networks=("cnn4",), sizes=SIZES),
    },
    title="PyTorch",
)
