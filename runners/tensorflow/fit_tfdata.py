"""The images of `fit` through tf.data."""

import os
from collections.abc import Callable

import tensorflow as tf

from runners.harness.case import PREFETCH
from runners.reference.labelled import Labelled
from runners.tensorflow.loader_tfdata import decode, threads, to_uint8


def loader(source: Labelled, seed: int) -> tf.data.Dataset:
    """Batches of (images in 0…1, classes), every image once in each epoch. The last batch may be smaller.

    It shuffles positions, not images: a shuffle buffer of images would decode the whole data set before the first
    batch. The variant `tuned` keeps images as uint8 until they are a batch.
    """
    count = len(source.paths)
    parallel = source.workers or None
    labels = tf.constant(source.labels, tf.int64)
    pixels = _reader(source)

    def example(index: tf.Tensor, draw: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        image = pixels(index)
        if source.augment:
            image = tf.image.stateless_random_flip_left_right(image, draw)
            image = tf.image.stateless_random_flip_up_down(image, draw[::-1])
        return tf.cast(image, tf.float32) / 255, labels[index]

    def in_bytes(index: tf.Tensor, draw: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        return pixels(index), labels[index], draw

    examples = tf.data.Dataset.range(count)
    if source.shuffle:
        examples = examples.shuffle(count, seed=seed, reshuffle_each_iteration=True)
    # Flips are drawn in order, before the workers: inside a map they would depend on which thread is faster.
    draws = tf.data.Dataset.random(seed, rerandomize_each_iteration=True).batch(2)
    drawn = tf.data.Dataset.zip(examples, draws)
    if source.tuned:
        batches = drawn.map(in_bytes, num_parallel_calls=parallel).batch(source.batch_size)
        batches = batches.map(_flipped_and_scaled if source.augment else _scaled)
    else:
        batches = drawn.map(example, num_parallel_calls=parallel).batch(source.batch_size)
    if source.workers:
        batches = batches.prefetch(PREFETCH * source.workers)
    return batches.with_options(threads(source.workers))


def _flipped_and_scaled(images: tf.Tensor, labels: tf.Tensor, draws: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Flip a whole batch: the lowest bit of a draw decides about a flip."""
    left_right, upside_down = (tf.cast(draws[:, side] & 1, tf.bool)[:, None, None, None] for side in (0, 1))
    images = tf.where(left_right, images[:, :, ::-1], images)
    return _scaled(tf.where(upside_down, images[:, ::-1], images), labels, draws)


def _scaled(images: tf.Tensor, labels: tf.Tensor, _draws: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    return tf.cast(images, tf.float32) / 255, labels


def _reader(source: Labelled) -> Callable[[tf.Tensor], tf.Tensor]:
    """A function from a position to uint8 pixels (side, side, 3). With a cache it decodes each image once."""
    paths = tf.constant([os.fsencode(path) for path in source.paths])

    def read(index: tf.Tensor) -> tf.Tensor:
        return to_uint8(decode(tf.io.read_file(paths[index]), source.side))

    if not source.cache:
        return read
    # Dataset.cache would keep the order of the first epoch, or need a shuffle of images after it.
    with tf.device("CPU:0"):
        cached = tf.Variable(tf.zeros((len(source.paths), source.side, source.side, 3), tf.uint8), trainable=False)
        filled = tf.Variable(tf.zeros(len(source.paths), tf.bool), trainable=False)

    def keep(index: tf.Tensor) -> tf.Tensor:
        image = read(index)
        cached.scatter_update(tf.IndexedSlices(image, index))
        filled.scatter_update(tf.IndexedSlices(True, index))
        return image

    def read_once(index: tf.Tensor) -> tf.Tensor:
        return tf.cond(filled.sparse_read(index), lambda: cached.sparse_read(index), lambda: keep(index))

    return read_once
