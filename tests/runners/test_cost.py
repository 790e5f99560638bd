"""The least cost of a step, compared with sums by hand and with the numbers in the networks' papers."""

import pytest
from published_counts import PUBLISHED

from runners.reference.cost import ADAM_ACCESSES, step_cost
from runners.reference.layers import CLASSES, SIZES, layers

MULTIPLY_ADDS = {
    "resnet18": 1.81e9,
    "resnet50": 4.09e9,
    "resnet152": 11.5e9,
    "vgg16": 15.5e9,
    "mobilenet_v2": 0.30e9,
    "efficientnet_b0": 0.39e9,
    "convnext_tiny": 4.5e9,
    "vit_b_16": 17.56e9,
}
"""Of one image of 224×224, as He et al. 2015 (ResNets as torchvision has them), Simonyan and Zisserman 2015, Sandler et
al. 2018, Tan and Le 2019 and Liu et al. 2022 give them, rounded as they do; of ViT as torchvision gives them."""

CONVOLUTIONS = [(3, 32, 32), (32, 64, 16), (64, 128, 8), (128, 128, 4)]
"""cnn4's convolutions for 32 pixels: channels in, channels out, side."""
DENSE = [(128, 128), (128, 100)]


def by_hand(batch):
    """(operations, elements) of each of cnn4's layers in a forward pass."""
    for inputs, outputs, side in CONVOLUTIONS:
        weights, pixels = 9 * inputs * outputs, side * side * batch
        yield 2 * weights * pixels, (inputs + outputs) * pixels + weights
    for inputs, outputs in DENSE:
        yield 2 * inputs * outputs * batch, (inputs + outputs) * batch + inputs * outputs


@pytest.mark.parametrize("network", MULTIPLY_ADDS)
def test_the_networks_cost_as_much_as_their_papers_say(network):
    cost = step_cost("infer", network, 224, 1, "fp32")
    assert cost.flops == pytest.approx(2 * MULTIPLY_ADDS[network], rel=0.02)


@pytest.mark.parametrize("batch", [1, 32])
def test_a_forward_pass_is_the_sum_over_its_layers(batch):
    layers = list(by_hand(batch))
    cost = step_cost("infer", "cnn4", 32, batch, "fp32")
    assert cost.flops == sum(flops for flops, _ in layers)
    assert cost.bytes == 4 * sum(elements for _, elements in layers)


def test_an_attention_costs_two_products_of_all_tokens_with_each_other():
    within, after = 4 * 768 * 768 + 2 * 4 * 768 * 768, 2 * 197 * 768  # multiply-adds of a token in a block
    outside = 196 * 768 * 3 * 16 * 16 + 768 * 1000
    assert step_cost("infer", "vit_b_16", 224, 1, "fp32").flops == 2 * (12 * 197 * (within + after) + outside)


def test_a_training_step_is_three_passes_without_the_images_gradient_plus_adam():
    first, *others = by_hand(8)
    cost = step_cost("train", "cnn4", 32, 8, "fp32")
    assert cost.flops == 2 * first[0] + 3 * sum(flops for flops, _ in others)
    moved = 2 * first[1] + 3 * sum(elements for _, elements in others)
    assert cost.bytes == 4 * moved + ADAM_ACCESSES * 4 * PUBLISHED["cnn4"].trainable


@pytest.mark.parametrize(("precision", "width"), [("fp32", 4), ("tf32", 4), ("bf16", 2), ("fp16", 2)])
def test_traffic_depends_on_the_precision_and_arithmetic_does_not(precision, width):
    cost, usual = step_cost("infer", "cnn4", 32, 8, precision), step_cost("infer", "cnn4", 32, 8, "fp32")
    assert (cost.flops, cost.bytes) == (usual.flops, usual.bytes * width // 4)


@pytest.mark.parametrize("network", CLASSES)
def test_no_layer_rounds_a_side_at_any_size(network):
    for layer in layers(network, CLASSES[network]):
        assert not any(size % layer.reduction for size in SIZES[network] if layer.reduction), layer
