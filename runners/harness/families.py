"""Families of networks: networks whose operations are alike, so that one framework tends to be fast or slow in all."""

from collections.abc import Mapping

PLAIN, DEPTHWISE = "plain convolutions", "depthwise convolutions"
"""In a depthwise convolution each channel has a filter of its own: little arithmetic for much memory traffic."""
TOKENS = "dense layers on tokens"
"""Networks with layer norms and GELU that do nearly all their arithmetic in dense layers for each position."""

FAMILIES: Mapping[str, str] = {
    "resnet18": PLAIN,
    "resnet50": PLAIN,
    "resnet152": PLAIN,
    "vgg16": PLAIN,
    "mobilenet_v2": DEPTHWISE,
    "efficientnet_b0": DEPTHWISE,
    "efficientnet_b4": DEPTHWISE,
    "efficientnet_b7": DEPTHWISE,
    "convnext_tiny": TOKENS,
    "vit_b_16": TOKENS,
}
"""The family of each network of runners/reference/layers.py that is not alone. cnn4 is: it is tiny."""


def family(network: str) -> str:
    """The family's name; a network without a family has its own name."""
    return FAMILIES.get(network, network)
