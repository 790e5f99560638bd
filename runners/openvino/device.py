"""OpenVINO's settings, set for a request and read back for the record."""

import openvino as ov

from runners.harness.workload import Invalid, Request, Seen
from runners.reference.precision import precision

PRECISIONS = {"f32": "fp32", "bf16": "bf16", "f16": "fp16"}


def configure(request: Request) -> None:
    """Raise Invalid unless the case's device is a CPU."""
    if request.case.device != "cpu":
        raise Invalid("DEVICE", "a GPU was requested, Levelfield runs OpenVINO on a CPU only")


def compiled(request: Request, model: ov.Model) -> ov.CompiledModel:
    """The model, compiled for the request's threads and one batch at a time."""
    settings = {
        "INFERENCE_NUM_THREADS": request.threads,
        "NUM_STREAMS": 1,
        "INFERENCE_PRECISION_HINT": "f32",  # else a CPU with AMX computes in bfloat16
        "ENABLE_HYPER_THREADING": True,  # uses every allowed CPU, as all other frameworks do
    }
    return ov.Core().compile_model(model, "CPU", settings)


def seen(model: ov.CompiledModel, parameters: list[object]) -> Seen:
    """The settings in effect, read back from the compiled model. `parameters` are the types of its weights."""
    computed = model.get_property("INFERENCE_PRECISION_HINT").get_type_name()
    return Seen(
        device="+".join(name.partition(".")[0].lower() for name in model.get_property("EXECUTION_DEVICES")),
        precision=PRECISIONS.get(computed, computed),
        threads_intra=model.get_property("INFERENCE_NUM_THREADS"),
        layout="NCHW" if list(model.input(0).shape)[1] == 3 else "NHWC",
        parameters=precision(parameters),
        settings={"streams": str(model.get_property("NUM_STREAMS"))},
        unknown={"threads_inter": "OpenVINO runs the operations of a stream one after the other"},
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether this is OpenVINO's error for full memory, for which it has no exception class."""
    return isinstance(error, RuntimeError) and any(part in str(error) for part in ("bad_alloc", "out of memory"))
