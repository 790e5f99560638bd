"""One forward pass of a user's own Keras model, module or function in evaluation mode."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from runners.harness.own_code import built, require_tensor
from runners.harness.workload import Request, Seen, StepWork, Unsupported
from runners.reference.own_model import channels_last, inference, inputs
from runners.tensorflow import device as devices
from runners.tensorflow.infer import VARIANTS


def prepare(request: Request) -> StepWork:
    """The model in the form of its variant, and a batch on the device or in the host's memory."""
    case = request.case
    device = devices.configure(request)
    model = built(request, Callable, "a keras.Model, or a function of a tensor")
    if not isinstance(model, keras.Model):
        if request.competitor.variant == "predict":
            raise Unsupported("predict is a method of Keras's models, and the model is another function")
        model = Function(model)
    batch = channels_last(inputs(case, case.batch_size))
    prepared = VARIANTS[request.competitor.variant](model, batch, request, device)

    def seen() -> Seen:
        computed = prepared.computed()
        parameters = devices.parameter_precision(model) if model.variables else None
        return devices.seen(computed, None, parameters)

    return inference(
        request,
        step=prepared.step,
        synchronize=devices.synchronizer(device),
        outputs=lambda part: prepared.logits(channels_last(part)),
        parameters=sum(int(tf.size(variable)) for variable in model.variables) or None,
        seen=seen,
        layout="NHWC",
        stages=prepared.stages,
        close=prepared.close,
    )


class Function:
    """A tf.Module or any function of a tensor, called as Keras's models are."""

    def __init__(self, function: Callable[[tf.Tensor], Any]) -> None:
        self._function = function
        self.variables = tuple(getattr(function, "variables", ()))

    def __call__(self, batch: tf.Tensor, training: bool) -> tf.Tensor:  # noqa: ARG002
        result = self._function(batch)
        require_tensor(result, tf.Tensor, "tf.Tensor")
        return result
