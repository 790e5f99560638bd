"""Image loading from TFRecord files as TensorFlow's documentation shows it: parse, decode, batch and prefetch.

It decodes and resizes to equal pixels. Its pool has as many threads, and its queue as much room, as other sides have.
"""

from collections.abc import Iterator
from pathlib import Path

import tensorflow as tf

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
FEATURES = {
    "image/encoded": tf.io.FixedLenFeature([], tf.string),
    "image/class/label": tf.io.FixedLenFeature([], tf.int64),
}


def parsed(record: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The image and the class of a record."""
    example = tf.io.parse_single_example(record, FEATURES)
    encoded = example["image/encoded"]
    image = tf.io.decode_jpeg(encoded, channels=3, dct_method="INTEGER_ACCURATE", fancy_upscaling=True)
    return tf.image.resize(image, (224, 224), antialias=True), example["image/class/label"]


def normalized(image: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The image, normalised, and its class."""
    return (image / 255 - tf.constant(MEAN)) / tf.constant(STD), label


def images(batch: tuple) -> tf.Tensor:
    """The images of a batch of images and classes."""
    return batch[0]


def batches(folder: Path, batch_size: int, workers: int) -> Iterator:
    """Batches of normalised images and classes without end."""
    options = tf.data.Options()
    options.threading.private_threadpool_size = workers
    options.threading.max_intra_op_parallelism = 1
    records = tf.data.TFRecordDataset(sorted(map(str, folder.glob("*.tfrecord")))).repeat()
    examples = records.map(parsed, num_parallel_calls=workers).map(normalized, num_parallel_calls=workers)
    return iter(examples.batch(batch_size).prefetch(2 * workers).with_options(options))
