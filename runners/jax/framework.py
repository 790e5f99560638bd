"""The declaration of JAX, which needs no JAX installed."""

from runners.harness.case import AS_VARIANT, PIPED
from runners.harness.workload import Framework, Workload
from runners.reference.layers import CLASSES, SCALED, SIZES

STEPS = {"networks": tuple(CLASSES), "sizes": SIZES, "scopes": ("compute", "transfer+compute")}
TRAIN = Workload(("jit", "eager"), precisions=("fp32", "tf32"), **STEPS)
INFER = Workload(("jit", "eager"), precisions=("fp32", "tf32", "bf16", "fp16"), models=("function",), **STEPS)
SCALE = Workload(("jit",), networks=SCALED, sizes=SIZES)
EXPORT = Workload(("jax2tf",), networks=tuple(CLASSES), sizes=SIZES, formats=("tflite",), devices=("cpu",))
LOAD = Workload(
    ("plain", "tuned"),
    loaders=("grain",),
    stages=("decode", "batch", "normalize", "transfer"),
    tracks=("matched", "default"),
    gpu_copies=(AS_VARIANT, PIPED),
)
WORKLOADS = {"train": TRAIN, "infer": INFER, "scale": SCALE, "export": EXPORT, "load": LOAD}
FRAMEWORK = Framework(
    "jax",
    ("jax", "jaxlib", "optax", "grain", "tensorflow_cpu"),
    WORKLOADS,
    by_name=True,
    title="JAX",
    loader_titles={"grain": "Grain"},
)
