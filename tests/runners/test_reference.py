"""The reference is the same bytes on every machine, and a mistake changes its numbers."""

import numpy as np
import pytest
from published_counts import PUBLISHED

from runners.harness.families import DEPTHWISE, FAMILIES, PLAIN, TOKENS
from runners.reference.batch import images, labels
from runners.reference.counts import Counts, counted
from runners.reference.layers import CLASSES, Kind, layers
from runners.reference.sketch import SKETCH_SIZE, sketch
from runners.reference.weights import digest, weights

DIGESTS = {
    "cnn4": "sha256:9dc9b32a4a6517b7be8a403e130abb0f496da44bad3735a96d766471f8efd90d",
    "resnet18": "sha256:a8083d2f59502f873057228a2a5fcb2e0d81b37840e2aa80a2f68a8f9008e6cf",
    "resnet50": "sha256:71581012b393917afe2f3e3cdc6b7bb6b3d31283df0b130190114c5eedaaa486",
    "resnet152": "sha256:6d5498b38da1701620cd850a301a26a22a1e1fc90932fe039583ab645d520ac6",
    "vgg16": "sha256:faed64e74af4c4b1cd11910256b07d2542d9eeb9e82c67c2fab46ddbcd2552ac",
    "mobilenet_v2": "sha256:27cea4b935aa317868ac8060f6519db3e3ee8dd53118c40e2aa577e5b5358517",
    "efficientnet_b0": "sha256:10d2f2362515ca6e2fa6d724decaac0653b0141f2d05cf150b53e709787f243b",
    "efficientnet_b4": "sha256:5be588c98f3aeef1e41e40fc371f067482b90be38d6e65d25e48ead8126eec19",
    "efficientnet_b7": "sha256:5880c148068199d57ad302e1df640a2acb478e7ecd775899ad6ed4ac16ffb031",
    "convnext_tiny": "sha256:f0533733de55bee5a4bde4d4f2cbe2c35a321c3e5786c7ece8e81c90d48fa2a2",
    "vit_b_16": "sha256:2f7de3c3c67000d0b0cb23ac2b105e8e853b014f17c5cde64c7484dc7ee69464",
}


@pytest.mark.parametrize("network", CLASSES)
def test_weights_are_the_published_bytes(network):
    assert digest(weights(network, 25, CLASSES[network])) == DIGESTS[network]


def test_another_seed_gives_other_weights():
    assert digest(weights("cnn4", 26, 100)) != DIGESTS["cnn4"]


def test_the_digest_sees_one_bit_and_one_name():
    arrays = weights("cnn4", 25, 100)
    arrays["conv1.bias"][3] = np.nextafter(arrays["conv1.bias"][3], np.float32(9))
    assert digest(arrays) != DIGESTS["cnn4"]
    arrays = weights("cnn4", 25, 100)
    arrays["conv9.bias"] = arrays.pop("conv1.bias")
    assert digest(arrays) != DIGESTS["cnn4"]


@pytest.mark.parametrize("network", CLASSES)
def test_canonical_layers_have_the_published_counts(network):
    arrays = weights(network, 25, CLASSES[network])
    non_trainable = sum(array.size for name, array in arrays.items() if name.endswith((".mean", ".var")))
    trainable = sum(array.size for array in arrays.values()) - non_trainable
    assert (trainable, non_trainable) == (PUBLISHED[network].trainable, PUBLISHED[network].non_trainable)


def test_every_network_but_cnn4_has_the_family_of_its_layers():
    marks = ((Kind.LAYER_NORM, TOKENS), (Kind.DEPTHWISE, DEPTHWISE), (Kind.CONV, PLAIN))
    kinds = {network: {layer.kind for layer in layers(network, 10)} for network in CLASSES if network != "cnn4"}
    assert {
        network: next(family for kind, family in marks if kind in found) for network, found in kinds.items()
    } == FAMILIES


def test_counts_follow_the_number_of_classes():
    assert counted("cnn4", 100) == PUBLISHED["cnn4"]
    assert counted("cnn4", 10) == Counts(PUBLISHED["cnn4"].trainable - 90 * 129, PUBLISHED["cnn4"].non_trainable)


def test_no_batch_norm_is_the_identity():
    arrays = weights("mobilenet_v2", 25, 1000)
    for layer in layers("mobilenet_v2", 1000):
        if layer.kind is Kind.BATCH_NORM:
            gamma, beta, mean, var = (arrays[f"{layer.name}.{part}"] for part in ("weight", "bias", "mean", "var"))
            assert gamma.std() > 0.05
            assert beta.std() > 0.05
            assert mean.std() > 0.05
            assert var.min() > 0.4
            assert var.std() > 0.1


def test_no_layer_norm_and_no_scale_is_the_identity():
    arrays = weights("convnext_tiny", 25, 1000)
    for layer in layers("convnext_tiny", 1000):
        if layer.kind in (Kind.LAYER_NORM, Kind.SCALE):
            assert all(arrays[f"{layer.name}.{part}"].std() > 0.05 for part in layer.sizes), layer


def test_images_are_nearly_standard_normal_and_the_first_ones_never_change():
    batch = images(25, 3, 64)
    assert batch.shape == (3, 3, 64, 64)
    assert batch.dtype == np.float32
    assert abs(batch.mean()) < 0.02
    assert abs(batch.std() - 1) < 0.02
    assert abs((abs(batch) < 1).mean() - 0.683) < 0.01
    assert np.array_equal(batch[:2], images(25, 2, 64))
    assert not np.array_equal(batch[0], batch[1])
    assert float(batch[0, 0, 0, 0]) == -0.9258270263671875


def test_labels_are_class_ids():
    ids = labels(25, 1000, 10)
    assert ids.dtype == np.int64
    assert set(ids) == set(range(10))
    assert np.array_equal(ids[:8], labels(25, 8, 10))


def test_a_sketch_keeps_relative_errors():
    logits = images(1, 1, 26).ravel()[:2000].reshape(2, 1000).astype(np.float64)
    noise = images(2, 1, 26).ravel()[:2000].reshape(2, 1000).astype(np.float64)
    ours, theirs = np.array(sketch(logits)), np.array(sketch(logits + 1e-3 * noise))
    assert len(ours) == SKETCH_SIZE
    error = np.linalg.norm(ours - theirs) / np.linalg.norm(ours)
    assert 0.7e-3 < error < 1.4e-3


def test_a_sketch_sees_one_logit():
    logits = np.zeros((2, 100))
    logits[1, 99] = 1.0
    assert np.linalg.norm(sketch(logits)) == pytest.approx(1.0)
