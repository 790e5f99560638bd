"""TFRecord: tf.data reads packed images one shard after the other, and decodes them as it decodes files."""

import os
from collections.abc import Callable, Iterable, Iterator

import tensorflow as tf

from runners.harness.workload import Request
from runners.reference.packed import Format, facts, packed
from runners.reference.passes import ObservedPass
from runners.reference.source import Source
from runners.tensorflow import loader_tfdata

IMAGE, LABEL = "image/encoded", "image/class/label"


def opened(source: Source, endless: bool) -> Callable[[], Iterator[tf.Tensor | list[tf.Tensor]]]:
    """A function that starts a pass over the images in order, or an endless pass."""
    return loader_tfdata.opened(source, endless, records)


def observed(source: Source) -> ObservedPass:
    """An endless pass, and the statistics of its maps."""
    return loader_tfdata.observed(source, records)


def prepared(source: Source, request: Request) -> Source:
    """The source with its shards. Raises Invalid."""
    return packed(source, request, TFRECORD)


def settings(source: Source) -> dict[str, str]:
    """The settings in effect, as tf.data returns them."""
    return {**loader_tfdata.settings(source, records), **facts(source, TFRECORD)}


def records(source: Source) -> tuple[tf.data.Dataset, Callable[[tf.Tensor], tf.Tensor]]:
    """The records of the shards in order, and a function from a record to the bytes of its image."""
    return tf.data.TFRecordDataset([os.fsencode(shard.path) for shard in source.shards]), image_of


def image_of(record: tf.Tensor) -> tf.Tensor:
    """The bytes of a record's image."""
    return tf.io.parse_single_example(record, {IMAGE: tf.io.FixedLenFeature([], tf.string)})[IMAGE]


def write(path: str, images: Iterable[tuple[int, int, bytes]]) -> None:
    """Write a shard: an Example with the bytes and the class of each image. Raises OSError."""
    try:
        with tf.io.TFRecordWriter(os.fsencode(path)) as file:
            for _, label, data in images:
                image = tf.train.Feature(bytes_list=tf.train.BytesList(value=[data]))
                number = tf.train.Feature(int64_list=tf.train.Int64List(value=[label]))
                example = tf.train.Example(features=tf.train.Features(feature={IMAGE: image, LABEL: number}))
                file.write(example.SerializeToString(deterministic=True))
    except tf.errors.OpError as error:
        raise OSError(None, error.message) from error


def read(path: str) -> Iterator[bytes]:
    """The bytes of a shard's images. Raises ValueError for a damaged shard."""
    try:
        for image in tf.data.TFRecordDataset(os.fsencode(path)).map(image_of):
            yield image.numpy()
    except tf.errors.OpError as error:
        raise ValueError(error.message.splitlines()[0].rpartition("}} ")[2]) from None


TFRECORD = Format("tfrecord", "tfdata", write, read, (ValueError,))
