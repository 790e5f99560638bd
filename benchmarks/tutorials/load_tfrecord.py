"""Image loading from TFRecord files as TensorFlow's documentation shows it: parse, decode, batch and prefetch.

It decodes and resizes to equal pixels. The number of threads is the number of workers of the other sides.
argv: folder with *.tfrecord, batch size, workers, batches to skip, batches to time. Prints JSON: images a second, and
CPU seconds an image.
"""

import json
import sys
from pathlib import Path

import tensorflow as tf

from benchmarks.tutorials.steady import steady

MEAN, STD = tf.constant([0.485, 0.456, 0.406]), tf.constant([0.229, 0.224, 0.225])
FEATURES = {
    "image/encoded": tf.io.FixedLenFeature([], tf.string),
    "image/class/label": tf.io.FixedLenFeature([], tf.int64),
}


def parsed(record: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    example = tf.io.parse_single_example(record, FEATURES)
    encoded = example["image/encoded"]
    image = tf.io.decode_jpeg(encoded, channels=3, dct_method="INTEGER_ACCURATE", fancy_upscaling=True)
    return tf.image.resize(image, (224, 224), antialias=True), example["image/class/label"]


def normalized(image: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    return (image / 255 - MEAN) / STD, label


def main() -> None:
    folder, (batch_size, workers, skipped, timed) = sys.argv[1], map(int, sys.argv[2:6])
    options = tf.data.Options()
    options.threading.private_threadpool_size = workers
    shards = sorted(str(path) for path in Path(folder).glob("*.tfrecord"))
    images = tf.data.TFRecordDataset(shards).repeat()
    images = images.map(parsed, num_parallel_calls=workers).map(normalized, num_parallel_calls=workers)
    batches = images.batch(batch_size).prefetch(tf.data.AUTOTUNE).with_options(options)
    print(json.dumps(steady(iter(batches), batch_size, skipped, timed)))


main()
