"""tf.data: a graph of decoding steps run by a pool of threads."""

import os
from collections.abc import Iterator

import tensorflow as tf

from runners.harness.workload import Invalid
from runners.reference.pixels import affine
from runners.reference.source import SIDE, Source

UNREADABLE = (tf.errors.InvalidArgumentError, tf.errors.NotFoundError)
"""What an image that is broken or gone raises."""


def decode(path: tf.Tensor, side: int) -> tf.Tensor:
    """Float pixels 0…255, as the reference decoder has them; the defaults of both steps would be further off."""
    image = tf.io.decode_jpeg(tf.io.read_file(path), channels=3, dct_method="INTEGER_ACCURATE", fancy_upscaling=True)
    return tf.ensure_shape(tf.image.resize(image, (side, side), antialias=True), (side, side, 3))


def to_uint8(image: tf.Tensor) -> tf.Tensor:
    """Rounded, since a plain cast would cut off."""
    return tf.cast(tf.clip_by_value(tf.round(image), 0, 255), tf.uint8)


def dataset(source: Source, endless: bool) -> tf.data.Dataset:
    """The images in order, once or without end, through no more than `workers` threads."""
    files = tf.data.Dataset.from_tensor_slices([os.fsencode(path) for path in source.paths])
    images = files.repeat() if endless else files
    images = (_tuned if source.tuned else _plain)(images, source)
    return images.with_options(threads(source.workers))


def deliver(source: Source, endless: bool) -> Iterator[tf.Tensor | list[tf.Tensor]]:
    """One pass over the images in order, or the same without end."""
    images = iter(dataset(source, endless))
    try:
        yield from _in_lists(images, source.batch_size) if source.stage == "decode" else images
    except UNREADABLE as error:
        raise unreadable(error) from None


def unreadable(error: tf.errors.OpError) -> Invalid:
    """The error without the graph's inner names."""
    reason = error.message.splitlines()[0].rpartition("}} ")[2]
    return Invalid("DATA", f"tf.data could not read or decode an image ({reason})")


def threads(workers: int) -> tf.data.Options:
    """Options for exactly so many threads, delivery in order, and nothing tuned while it is measured."""
    options = tf.data.Options()
    options.threading.private_threadpool_size = max(1, workers)
    options.threading.max_intra_op_parallelism = 1
    options.autotune.enabled = False
    # Without workers, images are read when asked for; the default rewrites would read a batch ahead all the same.
    options.experimental_optimization.apply_default_optimizations = workers > 0
    # TensorFlow's own default, spelt out: a `map` before a `batch` writes its images straight into the batch.
    options.experimental_optimization.map_and_batch_fusion = workers > 0
    options.deterministic = True
    return options


def settings(source: Source) -> dict[str, str]:
    """What is in effect, as tf.data gives it back; its threads have no names to be counted by."""
    options = dataset(source, endless=False).options()
    return {
        "private_threadpool_size": str(options.threading.private_threadpool_size),
        "deterministic": str(options.deterministic),
        "map_and_batch_fusion": str(options.experimental_optimization.map_and_batch_fusion),
        "worker_kind": "thread",
        "prefetch_batches": str(source.queue_batches),
        "decoder": f"tensorflow {tf.__version__}",
        "dct_method": "INTEGER_ACCURATE",
        "fancy_upscaling": "True",
        "antialias": "True",
    }


def _plain(paths: tf.data.Dataset, source: Source) -> tf.data.Dataset:
    """Each step a `map`, image by image, then `batch` and `prefetch`, as the documentation shows."""
    images = paths.map(lambda path: to_uint8(decode(path, SIDE)), num_parallel_calls=source.workers)
    if source.stage == "decode":
        return images.prefetch(source.queue_batches * source.batch_size)
    if source.stage == "normalize":
        images = images.map(_normalize, num_parallel_calls=source.workers)
    return images.batch(source.batch_size).prefetch(source.queue_batches)


def _tuned(paths: tf.data.Dataset, source: Source) -> tf.data.Dataset:
    """Nothing a function call can be saved on: one `map` an image, and arithmetic on whole batches."""
    images = paths.map(lambda path: to_uint8(decode(path, SIDE)), num_parallel_calls=source.workers)
    if source.stage == "decode":
        return images.prefetch(source.queue_batches * source.batch_size)
    batches = images.batch(source.batch_size)
    if source.stage == "normalize":
        batches = batches.map(_normalize, num_parallel_calls=source.workers)
    return batches.prefetch(source.queue_batches)


def _normalize(images: tf.Tensor) -> tf.Tensor:
    """float32, channels last."""
    scale, offset = affine()
    return tf.cast(images, tf.float32) * scale + offset


def _in_lists(images: Iterator[tf.Tensor], size: int) -> Iterator[list[tf.Tensor]]:
    while batch := [image for _, image in zip(range(size), images, strict=False)]:
        yield batch
