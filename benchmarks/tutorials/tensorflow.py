"""Training as in Keras's tutorials for beginners: a tf.data pipeline, compile, fit.

argv: folder of classes, batch size, workers (0: AUTOTUNE), cache (yes or no), augment (yes or no), epochs. Prints JSON.
"""

import json
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import tensorflow as tf
from keras import layers


def main(folder: str, batch_size: int, workers: int, cache: bool, augment: bool, epochs: int) -> None:
    """Train, and print seconds, loss and accuracy."""
    keras.utils.set_random_seed(25)
    names = sorted(path.name for path in Path(folder, "train").iterdir())
    paths = sorted(Path(folder, "train").glob("*/*"))
    labels = [names.index(path.parent.name) for path in paths]
    parallel = workers or tf.data.AUTOTUNE

    def read(path: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        image = tf.io.decode_jpeg(tf.io.read_file(path), channels=3)
        return tf.image.resize(image, (32, 32), antialias=True) / 255, label

    def flipped(image: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return tf.image.random_flip_up_down(tf.image.random_flip_left_right(image)), label

    stages: list[layers.Layer] = [layers.Input((32, 32, 3))]
    for width in (32, 64, 128, 128):
        stages += [layers.Conv2D(width, 3, padding="same"), layers.BatchNormalization(), layers.ReLU()]
        stages.append(layers.MaxPooling2D())
    stages += [layers.GlobalAveragePooling2D(), layers.Dense(128, activation="relu"), layers.Dense(len(names))]
    model = keras.Sequential(stages)
    model.compile(
        optimizer="adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"]
    )

    began = time.perf_counter()
    files = tf.data.Dataset.from_tensor_slices(([str(path) for path in paths], labels))
    # As in the tutorials: without a cache, file names are shuffled; with a cache, the images after the cache.
    images = (files if cache else files.shuffle(len(paths))).map(read, num_parallel_calls=parallel)
    images = images.cache().shuffle(len(paths)) if cache else images
    images = images.map(flipped, num_parallel_calls=parallel) if augment else images
    history = model.fit(images.batch(batch_size).prefetch(tf.data.AUTOTUNE), epochs=epochs, verbose=0).history
    took = time.perf_counter() - began
    print(json.dumps({"seconds": took, "loss": history["loss"][-1], "accuracy": history["accuracy"][-1]}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "yes", sys.argv[5] == "yes", int(sys.argv[6]))
