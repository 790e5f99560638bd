"""The networks in PyTorch: torchvision's, and cnn4."""

from collections.abc import Mapping

import numpy as np
import torch
import torchvision
from torch import nn

from runners.harness.workload import Invalid
from runners.reference.layers import EPSILON, MOMENTUM


class Cnn4(nn.Module):
    """Four times convolution, batch norm, ReLU, max-pool; global average pool; two dense layers."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 32, 3, padding=1), nn.BatchNorm2d(32)
        self.conv2, self.bn2 = nn.Conv2d(32, 64, 3, padding=1), nn.BatchNorm2d(64)
        self.conv3, self.bn3 = nn.Conv2d(64, 128, 3, padding=1), nn.BatchNorm2d(128)
        self.conv4, self.bn4 = nn.Conv2d(128, 128, 3, padding=1), nn.BatchNorm2d(128)
        self.pool = nn.MaxPool2d(2)
        self.dense1 = nn.Linear(128, 128)
        self.dense2 = nn.Linear(128, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool(torch.relu(self.bn1(self.conv1(x))))
        x = self.pool(torch.relu(self.bn2(self.conv2(x))))
        x = self.pool(torch.relu(self.bn3(self.conv3(x))))
        x = self.pool(torch.relu(self.bn4(self.conv4(x))))
        x = x.mean(dim=(2, 3))
        return self.dense2(torch.relu(self.dense1(x)))


# Every framework would draw other random numbers; without them, losses can be compared.
NO_RANDOMNESS = {
    "vgg16": {"dropout": 0.0},
    "mobilenet_v2": {"dropout": 0.0},
    "efficientnet_b0": {"dropout": 0.0, "stochastic_depth_prob": 0.0},
    "efficientnet_b4": {"dropout": 0.0, "stochastic_depth_prob": 0.0},
    "efficientnet_b7": {"dropout": 0.0, "stochastic_depth_prob": 0.0},
    "convnext_tiny": {"stochastic_depth_prob": 0.0},
    "vit_b_16": {"dropout": 0.0, "attention_dropout": 0.0},
}

PART_NAMES = {"running_mean": "mean", "running_var": "var"}
PARTS = ("weight", "bias", "mean", "var")


def build(
    network: str, classes: int, arrays: Mapping[str, np.ndarray], dtype: torch.dtype = torch.float32
) -> nn.Module:
    """The network with the shared weights in it, on the CPU, in training mode. Raises Invalid."""
    model = blank(network, classes)
    load(model, arrays)
    return model.to(dtype)


def blank(network: str, classes: int) -> nn.Module:
    if network == "cnn4":
        return Cnn4(classes)
    model = torchvision.models.get_model(network, num_classes=classes, **NO_RANDOMNESS.get(network, {}))
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):  # torchvision's larger EfficientNets have other values
            module.eps, module.momentum = EPSILON, MOMENTUM
    return model


def load(model: nn.Module, arrays: Mapping[str, np.ndarray]) -> None:
    """Put the shared weights into the model. Raises Invalid unless the layers and shapes are the same."""
    state = model.state_dict()
    names = {name: reference_name(name) for name in state if not name.endswith("batches_tracked")}
    differing = set(names.values()) ^ set(arrays)
    if differing:
        raise Invalid("PARAMETERS", f"layers that only one side has: {', '.join(sorted(differing)[:6])}")
    for name, reference in names.items():
        array = torch.from_numpy(arrays[reference])
        if array.shape != state[name].shape:
            raise Invalid("PARAMETERS", f"{name} has shape {tuple(state[name].shape)}, reference {tuple(array.shape)}")
        state[name].copy_(array)


def reference_name(name: str) -> str:
    """The name of the shared weight for torch's name of a tensor."""
    layer, _, part = name.replace("in_proj_", "in_proj.").rpartition(".")
    part = PART_NAMES.get(part, part)
    return f"{layer}.{part}" if part in PARTS else f"{name}.weight"  # a parameter of its own, such as ViT's class token


def sizes(model: nn.Module) -> dict[str, int]:
    """The number of elements of each tensor, by the shared weight's name, without torch's batch counters."""
    tensors = model.state_dict().items()
    return {reference_name(name): tensor.numel() for name, tensor in tensors if not name.endswith("batches_tracked")}
