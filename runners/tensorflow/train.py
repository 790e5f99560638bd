"""One optimiser step of a network: forward, loss, backward, update; the tape starts from no gradient."""

import dataclasses
from collections.abc import Callable

import keras
import tensorflow as tf

from runners.harness.record import Check, Effective
from runners.harness.workload import Request, Stage, StepWork
from runners.reference.batch import images, labels
from runners.reference.cost import step_cost
from runners.reference.layers import CLASSES
from runners.reference.weights import weights
from runners.tensorflow import device as devices
from runners.tensorflow.evidence import COMPARED_LOSSES, TrainStep, evidence
from runners.tensorflow.graph_v1 import StaticTraining
from runners.tensorflow.networks import build
from runners.tensorflow.scope import brought, held, nhwc
from runners.tensorflow.variants import compiled_by_xla, runs_in_session

INITIAL_SCALE = 2.0**15
"""Of the loss in float16: Keras's default, and what PyTorch is given."""


@devices.naming_out_of_memory
def prepare(request: Request) -> StepWork:
    """Model with the shared weights, batch and labels, Adam; a step updates the weights once."""
    case = request.case
    device = devices.configure(request)
    classes, policy = CLASSES[case.network], devices.MIXED[case.precision]
    # The arrays are let go of here and generated anew for the check: they are not part of what a step needs.
    model = build(case.network, classes, weights(case.network, case.seed, classes), policy)
    kept_in, criterion = devices.kept_in(model), CrossEntropy()
    host = nhwc(images(case.seed, case.batch_size, case.input_size))
    host_targets = labels(case.seed, case.batch_size, classes)
    layout, stages, close = devices.layout(host), {}, lambda: None
    losses: list[object] = []

    if runs_in_session(request):
        compiled_update = request.competitor.variant == "tuned"
        train_step = train_step_of(model, criterion, compiled_update=compiled_update)
        static = StaticTraining(train_step, host, host_targets, request, device)
        once, computed_on, close = static.step, static.devices, static.close
        stages = {"compile": Stage(devices.naming_out_of_memory(static.compile))}
    else:
        train_step = variant_of(model, criterion, request, device)
        batch, targets = held(host, request, device), held(host_targets, request, device)

        def once() -> tf.Tensor | float:
            return train_step(batch, targets)

        def computed_on() -> list[str]:
            return [variable.value.device for variable in model.variables]

    @devices.naming_out_of_memory
    def step() -> None:
        losses[COMPARED_LOSSES:] = [once()]  # the first four, then the latest

    def check() -> Check:
        while len(losses) < COMPARED_LOSSES:
            step()
        return dataclasses.replace(
            evidence(request, classes, weights(case.network, case.seed, classes)),
            losses=[float(loss) for loss in losses[:COMPARED_LOSSES]],
            loss_first=float(losses[0]),
            loss_last=float(losses[-1]),
        )

    def effective() -> Effective:
        seen = [devices.Seen(name, criterion.given) for name in computed_on()]
        in_effect = devices.effective(request, seen, layout)
        in_effect.settings["parameters"] = kept_in
        return in_effect

    cost = step_cost(case.workload, case.network, case.input_size, case.batch_size, case.precision)
    return StepWork(
        step=step,
        synchronize=devices.synchronizer(device),
        items=case.batch_size,
        check=check,
        effective=effective,
        close=close,
        flops=cost.flops,
        bytes=cost.bytes,
        stages=stages,
        gpu_peaks=lambda: devices.gpu_peaks(device),
    )


class CrossEntropy(keras.losses.SparseCategoricalCrossentropy):
    """Keras's, on logits and in float32, which remembers the type that the logits came in.

    It is the one place that the logits of every variant pass through, those of `train_on_batch` too; a traced step
    does so when it is traced.
    """

    given: str

    def __init__(self) -> None:
        super().__init__(from_logits=True)

    def __call__(self, targets: tf.Tensor, logits: tf.Tensor, sample_weight: tf.Tensor | None = None) -> tf.Tensor:
        """The mean over the batch."""
        self.given = keras.backend.standardize_dtype(logits.dtype)
        return super().__call__(targets, logits, sample_weight)


def variant_of(model: keras.Model, criterion: CrossEntropy, request: Request, device: str) -> Callable[..., object]:
    """The step as the variant does it, of a batch and labels that lie where the scope has them."""
    variant = request.competitor.variant
    if variant == "predict":
        # Left to itself, Keras would ask XLA on a GPU. For float16 it scales the loss by itself, and it brings batches
        # to the device; it reads every step's loss.
        model.compile(optimizer=adam(), loss=criterion, jit_compile=False, run_eagerly=False)
        return model.train_on_batch
    train_step = train_step_of(model, criterion)
    if variant != "eager":
        train_step = tf.function(train_step, jit_compile=compiled_by_xla(request))
    return brought(train_step, request, device)


def train_step_of(
    model: keras.Model,
    criterion: keras.losses.Loss,
    observe: Callable[[tf.Tensor, tf.Tensor, tf.Tensor], object] | None = None,
    compiled_update: bool = False,
) -> TrainStep:
    """A function that updates the model once with Adam and gives the loss before the update.

    `observe`, where given, is called in each step with the loss, the logits and the targets; XLA makes one loop of each
    weight's update where `compiled_update`.
    """
    optimizer = adam()
    if model.compute_dtype == "float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer, INITIAL_SCALE)
    optimizer.build(model.trainable_variables)

    def update(gradients: list[tf.Tensor]) -> None:
        optimizer.apply(gradients, model.trainable_variables)

    if compiled_update:
        update = tf.function(update, jit_compile=True)

    def train_step(batch: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            logits = model(batch, training=True)
            loss = criterion(targets, logits)
            scaled = optimizer.scale_loss(loss)
        update(tape.gradient(scaled, model.trainable_variables))
        if observe:
            observe(loss, logits, targets)
        return loss

    return train_step


def adam() -> keras.optimizers.Adam:
    """The optimiser of docs/fairness.md, as Keras has it."""
    return keras.optimizers.Adam(learning_rate=1e-3, beta_1=0.9, beta_2=0.999, epsilon=1e-8)
