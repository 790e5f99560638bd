"""tf.data: a graph of decoding operations that a pool of threads runs."""

import dataclasses
import os
from collections.abc import Callable, Iterator, Sequence

import tensorflow as tf

from runners.harness.record import PipelineStage
from runners.harness.workload import Invalid
from runners.reference.passes import ObservedPass
from runners.reference.pixels import affine
from runners.reference.source import SIDE, Source

UNREADABLE = (tf.errors.InvalidArgumentError, tf.errors.NotFoundError)
"""The errors of a broken or missing image."""
DEVICE = "GPU:0"
"""The device to which the stage `transfer` copies."""
SEARCHED = 20_000
"""The largest number of images to search for a broken image: a minute or two."""


Elements = tuple[tf.data.Dataset, Callable[[tf.Tensor], tf.Tensor]]
"""A data set with one element for each image, and a function from an element to the bytes of its image."""


def decode(encoded: tf.Tensor, side: int) -> tf.Tensor:
    """Float pixels 0…255 (side, side, 3), closer to the reference decoder than TensorFlow's defaults are."""
    image = tf.io.decode_jpeg(encoded, channels=3, dct_method="INTEGER_ACCURATE", fancy_upscaling=True)
    return tf.ensure_shape(tf.image.resize(image, (side, side), antialias=True), (side, side, 3))


def to_uint8(image: tf.Tensor) -> tf.Tensor:
    """The pixels as uint8, rounded: a cast alone would truncate them."""
    return tf.cast(tf.clip_by_value(tf.round(image), 0, 255), tf.uint8)


def decode_by_defaults(encoded: tf.Tensor, side: int) -> tf.Tensor:
    """Float pixels 0…255, by TensorFlow's defaults: a fast, less accurate DCT, and bilinear without antialiasing."""
    image = tf.image.resize(tf.io.decode_jpeg(encoded, channels=3), (side, side))
    return tf.ensure_shape(image, (side, side, 3))


def files(source: Source) -> Elements:
    """The positions of the images, and a function from a position to the bytes of its file."""
    paths = tf.constant([os.fsencode(path) for path in source.paths])
    return tf.data.Dataset.range(len(source.paths)), lambda position: tf.io.read_file(paths[position])


def on_host(source: Source, endless: bool, elements: Callable[[Source], Elements]) -> tf.data.Dataset:
    """The images in order, once or endlessly, made by at most `workers` threads."""
    found, pixels = _decoded(source, elements)
    found = found.repeat() if endless else found
    return (_tuned if source.tuned else _plain)(found, pixels, source).with_options(threads(source.workers))


def dataset(source: Source, endless: bool, elements: Callable[[Source], Elements]) -> tf.data.Dataset:
    """The images as they are delivered.

    `prefetch_to_device` must be the last transformation. Options after it would not reach the maps before it: these
    would run in TensorFlow's own pool, of as many threads as the machine has CPUs.
    """
    images = on_host(source, endless, elements)
    if source.copied_ahead:
        return images.apply(tf.data.experimental.prefetch_to_device(DEVICE, source.queue_batches))
    return images


def opened(
    source: Source, endless: bool, elements: Callable[[Source], Elements] = files
) -> Callable[[], Iterator[tf.Tensor | list[tf.Tensor]]]:
    """A function that starts a pass over the images in order, or an endless pass."""
    images = dataset(source, endless, elements)
    return lambda: _pass(images, source)


def observed(source: Source, elements: Callable[[Source], Elements] = files) -> ObservedPass:
    """An endless pass, and the statistics of its maps from tf.data's own performance model.

    tf.data keeps this model only if it may tune. Every number is set, so nothing is left to tune. It keeps no model of
    what lies before `prefetch_to_device`, so the batches of this pass are copied when they are taken.
    """
    options = tf.data.Options()
    options.autotune.enabled = True
    before_copy = dataclasses.replace(source, stage="normalize") if source.stage == "transfer" else source
    images = iter(dataset(before_copy, True, elements).with_options(options))
    return _delivered(images, source, copy=source.stage == "transfer"), lambda: _maps(images)


def unreadable(error: tf.errors.OpError, paths: Sequence[str]) -> Invalid:
    """The error without the graph's inner names, but with the name of the image, which the graph does not report."""
    reason = error.message.splitlines()[0].rpartition("}} ")[2]
    for path in paths[:SEARCHED]:
        try:
            decode(tf.io.read_file(os.fsencode(path)), SIDE)
        except UNREADABLE:
            return Invalid("DATA", f"{path!r} cannot be decoded ({reason})")
    return Invalid("DATA", f"tf.data could not read or decode an image ({reason})")


def threads(workers: int) -> tf.data.Options:
    """Options for exactly `workers` threads, delivery in order, and no tuning during the measurement."""
    options = tf.data.Options()
    options.threading.private_threadpool_size = max(1, workers)
    options.threading.max_intra_op_parallelism = 1
    options.autotune.enabled = False
    # Without workers, no batch may be read ahead, but the default rewrites would do so.
    options.experimental_optimization.apply_default_optimizations = workers > 0
    # TensorFlow's default, made explicit: a `map` before a `batch` writes its images straight into the batch.
    options.experimental_optimization.map_and_batch_fusion = workers > 0
    options.deterministic = True
    return options


def settings(source: Source, elements: Callable[[Source], Elements] = files) -> dict[str, str]:
    """The settings in effect, as tf.data returns them. Its threads have no names, so they cannot be counted."""
    options, delivering = on_host(source, False, elements).options(), dataset(source, False, elements)
    return {
        "private_threadpool_size": str(options.threading.private_threadpool_size),
        "deterministic": str(options.deterministic),
        "map_and_batch_fusion": str(options.experimental_optimization.map_and_batch_fusion),
        "worker_kind": "thread",
        "stage_statistics": "tf.data's own model",
        **_queue(delivering, source),
        "decoder": f"tensorflow {tf.__version__}",
        "dct_method": "default" if source.defaults else "INTEGER_ACCURATE",
        "fancy_upscaling": "True",
        "antialias": str(not source.defaults),
    }


def _queue(images: tf.data.Dataset, source: Source) -> dict[str, str]:
    """What the data set itself says about its queue of finished batches and about the copy to the GPU.

    TensorFlow has no public reader: it cannot write a pipeline that copies as a graph.
    """
    chain = [images]
    while hasattr(chain[-1], "_input_dataset"):
        chain.append(chain[-1]._input_dataset)
    ready = next(int(part._buffer_size) for part in chain if hasattr(part, "_buffer_size"))
    copied = any("CopyToDevice" in type(part).__name__ for part in chain)
    batches = ready // source.batch_size if source.stage == "decode" else ready
    return {"prefetch_batches": str(batches)} | ({"copied_by": "pipeline"} if copied else {})


def _pass(images: tf.data.Dataset, source: Source) -> Iterator[tf.Tensor | list[tf.Tensor]]:
    yield from _delivered(iter(images), source, copy=source.stage == "transfer" and not source.copied_ahead)


def _delivered(images: Iterator[tf.Tensor], source: Source, copy: bool) -> Iterator[tf.Tensor | list[tf.Tensor]]:
    if copy:
        images = map(_on_device, images)
    try:
        yield from _in_lists(images, source.batch_size) if source.stage == "decode" else images
    except UNREADABLE as error:
        raise unreadable(error, source.paths) from None


def _maps(images: Iterator) -> list[PipelineStage]:
    """Statistics of maps and batching from source to sink in the optimised pipeline; empty without a model."""
    try:
        nodes = tf.data.experimental.get_model_proto(images).nodes
    except tf.errors.NotFoundError:
        return []
    functions, stages = iter(("decode", "normalize")), []
    for _, node in sorted(nodes.items(), reverse=True):  # the sink has the lowest number
        work = [next(functions)] if "Map" in node.name and "FlatMap" not in node.name else []
        work += ["batch"] if "Batch" in node.name else []
        if work:
            threads = next((int(entry.value) for entry in node.parameters if entry.name == "parallelism"), 1)
            stages.append(PipelineStage(" and ".join(work), threads, node.num_elements, node.processing_time))
    return stages


def _plain(elements: tf.data.Dataset, pixels: Callable, source: Source) -> tf.data.Dataset:
    """As in the documentation: each operation is a `map` over single images, then come `batch` and `prefetch`."""
    images = elements.map(pixels, num_parallel_calls=source.workers or None)
    if source.stage == "decode":
        return images.prefetch(source.queue_batches * source.batch_size)
    if source.normalized:
        images = images.map(_normalize, num_parallel_calls=source.workers or None)
    batches = images.batch(source.batch_size)
    return batches if source.copied_ahead else batches.prefetch(source.queue_batches)


def _tuned(elements: tf.data.Dataset, pixels: Callable, source: Source) -> tf.data.Dataset:
    """With as few function calls as possible: one `map` over single images, and arithmetic on whole batches."""
    images = elements.map(pixels, num_parallel_calls=source.workers or None)
    if source.stage == "decode":
        return images.prefetch(source.queue_batches * source.batch_size)
    batches = images.batch(source.batch_size)
    if source.normalized:
        batches = batches.map(_normalize, num_parallel_calls=source.workers or None)
    return batches if source.copied_ahead else batches.prefetch(source.queue_batches)


def _decoded(source: Source, elements: Callable[[Source], Elements]) -> Elements:
    """The elements, and a function from an element to pixels (side, side, 3), uint8 unless they stay float."""
    if source.ready is not None:
        # Of the type that decoding gives, so that as many bytes are moved.
        ready = tf.constant(source.ready, tf.float32 if _stays_float(source) else tf.uint8)
        return tf.data.Dataset.range(len(source.paths)), lambda position: ready[position]
    found, encoded = elements(source)
    if source.defaults:
        return found, lambda element: tf.cast(decode_by_defaults(encoded(element), SIDE), tf.uint8)
    if _stays_float(source):
        return found, lambda element: decode(encoded(element), SIDE)
    return found, lambda element: to_uint8(decode(encoded(element), SIDE))


def _stays_float(source: Source) -> bool:
    """Whether pixels stay float from decoding to normalising: rounding them to bytes costs a tenth of the work."""
    return source.tuned and source.normalized


def _on_device(batch: tf.Tensor) -> tf.Tensor:
    with tf.device(DEVICE):
        copied = tf.identity(batch)
    tf.test.experimental.sync_devices()
    return copied


def _normalize(images: tf.Tensor) -> tf.Tensor:
    """Normalised float32, channels last."""
    scale, offset = affine()
    return tf.cast(images, tf.float32) * scale + offset


def _in_lists(images: Iterator[tf.Tensor], size: int) -> Iterator[list[tf.Tensor]]:
    while batch := [image for _, image in zip(range(size), images, strict=False)]:
        yield batch
