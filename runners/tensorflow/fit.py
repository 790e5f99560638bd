"""End-to-end training: from JPEGs on disk to a saved, restored and evaluated model."""

import dataclasses
import importlib
import itertools
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from runners.harness.record import Check, DeliveredImages
from runners.harness.waiting import Waiting
from runners.harness.workload import EpochResult, FitWork, Invalid, Request, Seen, Unsupported
from runners.reference.batch import shared_batch
from runners.reference.delivered import delivered_images, spread_over
from runners.reference.evidence import COMPARED_LOSSES, assert_parameters, training_check
from runners.reference.labelled import REPEATABLE, assert_same_pixels, for_inspection, of_split, unfit_data
from runners.reference.layout import nhwc
from runners.reference.pixels import Delivered
from runners.reference.weights import weights
from runners.tensorflow import device as devices
from runners.tensorflow.loader_tfdata import UNREADABLE, unreadable
from runners.tensorflow.network import build, sizes
from runners.tensorflow.textbook import in_double
from runners.tensorflow.train import TrainStep, train_step_of


def prepare(request: Request) -> FitWork:
    """Describe the data, but decode and build nothing: the stages do that, on the clock."""
    case, manifest = request.case, request.manifest
    devices.configure(request)
    classes, tuned = len(manifest.classes), request.competitor.variant == "tuned"
    if reason := unfit_data(case, len(manifest.splits["train"]), classes):
        raise Unsupported(reason)
    arrays = weights(case.network, case.seed, classes)
    data = importlib.import_module(f"runners.tensorflow.fit_{request.competitor.loader}")
    criterion = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    train_images = of_split(request, "train", cache=case.cache, augment=case.augment, shuffle=True, tuned=tuned)
    test_images = of_split(request, "test", tuned=tuned)
    signature = [
        tf.TensorSpec((None, case.input_size, case.input_size, 3), tf.float32),
        tf.TensorSpec((None,), tf.int64),
    ]
    model = restored = train_loader = train_step = None
    delivered, layout = 0, ""
    loss_sum = tf.Variable(0.0, trainable=False)
    correct = tf.Variable(0.0, trainable=False)
    history: list[EpochResult] = []
    waiting = Waiting()
    predicted: dict[str, np.ndarray] = {}

    def load() -> None:
        next(batches(data.loader(train_images, case.seed)))

    def fresh(policy: str = "float32") -> keras.Model:
        return build(case.network, classes, arrays, case.input_size, policy)

    def build_model() -> None:
        nonlocal model, train_step
        model = fresh()
        assert_parameters(case.network, classes, sizes(model, classes))
        train_step = new_train_step(model)

    def new_train_step(network: keras.Model) -> TrainStep:
        step = train_step_of(network, criterion, accumulate, compiled_update=tuned)
        return tf.function(step, input_signature=signature, jit_compile=False)

    def accumulate(loss: tf.Tensor, logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        predictions = tf.argmax(logits, axis=1)
        loss_sum.assign_add(loss * tf.cast(tf.size(labels), tf.float32))
        correct.assign_add(tf.reduce_sum(tf.cast(predictions == labels, tf.float32)))
        return predictions

    def accumulated(count: int) -> tuple[float, float]:
        """The means since the last call. Once in each epoch, this waits for the device."""
        means = float(loss_sum) / count, float(correct) / count
        loss_sum.assign(0.0)
        correct.assign(0.0)
        return means

    def train_epoch(_epoch: int) -> EpochResult:
        nonlocal train_loader, delivered, layout
        train_loader = train_loader or data.loader(train_images, case.seed)
        for batch, labels in waiting.watched(batches(train_loader)):
            train_step(batch, labels)
            delivered += len(labels)
        layout = devices.layout(batch)
        history.append(EpochResult(*accumulated(len(train_images.paths)), waiting.taken()))
        return history[-1]

    def save(path: Path) -> None:
        model.save(path.with_suffix(".keras"))

    def restore(path: Path) -> None:
        nonlocal restored
        restored = keras.models.load_model(path.with_suffix(".keras"))

    def evaluate() -> tuple[float, float]:
        name = "trained" if restored is None else "restored"
        loss, accuracy, predicted[name] = tested(restored or model)
        return loss, accuracy

    def tested(network: keras.Model) -> tuple[float, float, np.ndarray]:
        @tf.function(input_signature=signature, jit_compile=False)
        def test_step(batch: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
            logits = network(batch, training=False)
            return accumulate(criterion(labels, logits), logits, labels)

        predictions = [test_step(batch, labels) for batch, labels in batches(data.loader(test_images, case.seed))]
        return *accumulated(len(test_images.paths)), tf.concat(predictions, axis=0).numpy()

    def batches(loader: tf.data.Dataset):
        try:
            yield from loader
        except UNREADABLE as error:
            raise unreadable(error, (*train_images.paths, *test_images.paths)) from None

    def check() -> Check:
        """After the clock: the evidence, and whether the model in memory gives the restored model's answers."""
        pixels, images = inspected(), kept()
        found = dataclasses.replace(
            training_check(
                request,
                classes,
                sizes(fresh(), classes),
                logits=lambda part: fresh()(nhwc(part), training=False).numpy(),
                double=in_double(fresh),
                losses=first_losses(),
            ),
            pixel_mean_difference=pixels.mean_difference,
            pixel_worst_image=pixels.worst_image,
            images=images,
        )
        if not history:
            return found
        if delivered != len(history) * len(train_images.paths):
            raise Invalid("ITEMS", f"{delivered} images in {len(history)} epochs of {len(train_images.paths)} images")
        _, accuracy, trained = tested(model)
        count, differing = len(trained), int((trained != predicted["restored"]).sum())
        if differing:
            raise Invalid("RESTORE", f"the restored model answers {differing} of {count} test images differently")
        return dataclasses.replace(
            found,
            delivered_items=delivered,
            loss_first=history[0].loss,
            loss_last=history[-1].loss,
            accuracy=accuracy,
            accuracy_restored=float((predicted["restored"] == test_images.labels).mean()),
        )

    def first_losses() -> list[float]:
        """The losses of a fresh model on the shared batch."""
        step, (batch, labels) = new_train_step(fresh()), shared_batch(request, classes)
        losses = [float(step(tf.constant(nhwc(batch)), tf.constant(labels))) for _ in range(COMPARED_LOSSES)]
        accumulated(1)  # resets the sums, to which these steps have added
        return losses

    def inspected() -> Delivered:
        source = for_inspection(train_images, case.seed)
        loader = data.loader(source, case.seed)
        if source.cache:
            for _ in batches(loader):  # fill the cache, so that the comparison reads from it
                pass
        return assert_same_pixels(arrived(loader), source, channels_first=False)

    def kept() -> DeliveredImages:
        spread = spread_over(train_images)
        loader = data.loader(spread.source, case.seed)
        passes = (arrived(loader) for _ in range(spread.passes))
        return delivered_images(itertools.chain.from_iterable(passes), spread, channels_first=False)

    def arrived(loader: tf.data.Dataset):
        return ((batch.numpy(), labels.numpy()) for batch, labels in batches(loader))

    def seen() -> Seen:
        found = devices.seen(model.variables, layout)
        pool = train_loader.options().threading.private_threadpool_size
        own = {"private_threadpool_size": str(pool), "saved_as": "Keras archive", "repeatable": REPEATABLE[case.device]}
        return dataclasses.replace(found, settings={**found.settings, **own})

    return FitWork(
        load=load,
        build=build_model,
        train_epoch=train_epoch,
        save=save,
        restore=restore,
        evaluate=evaluate,
        train_items=len(train_images.paths),
        check=check,
        seen=seen,
        close=lambda: None,
    )
