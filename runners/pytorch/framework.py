"""The declaration of PyTorch, which needs no PyTorch installed."""

from dataclasses import replace

from runners.harness.case import AS_VARIANT, PIPED
from runners.harness.workload import Framework, Workload
from runners.reference.layers import CLASSES, FIT_SIZES, SCALED, SIZES

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
    distributions=("torch", "torchvision", "spdl", "opencv-python-headless", "webdataset", "onnxscript"),
    workloads={
        "train": STEPS,
        "infer": replace(STEPS, models=("function",)),
        "scale": Workload(("eager",), networks=SCALED, sizes=SIZES),
        "export": Workload(
            ("dynamo", "script"), networks=tuple(CLASSES), sizes=SIZES, formats=("onnx",), devices=("cpu",)
        ),
        "roof": Workload(variants=("eager",), stages=("product", "copy"), precisions=PRECISIONS),
        "load": Workload(
            variants=("plain", "tuned"),
            loaders=("torch", "spdl"),
            more_loaders=("spdl_process", "opencv", "torch_threads", "webdataset"),
            stages=("decode", "batch", "normalize", "transfer"),
            tracks=("matched", "default"),
            gpu_copies=(AS_VARIANT, PIPED),
            takes=("prefetch",),
        ),
        "fit": Workload(
            variants=("eager", "tuned"), loaders=("torch", "spdl"), networks=tuple(FIT_SIZES), sizes=FIT_SIZES
        ),
    },
    title="PyTorch",
    loader_titles={
        "torch": "DataLoader",
        "torch_threads": "DataLoader in threads",
        "opencv": "OpenCV",
        "spdl": "SPDL",
        "spdl_process": "SPDL in a process",
        "webdataset": "WebDataset",
    },
)
