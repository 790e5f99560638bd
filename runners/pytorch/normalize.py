"""ImageNet's mean and deviation on whole batches, for the tuned loaders."""

import torch

from runners.reference.pixels import affine


def normalized(images: torch.Tensor, pinned: bool = False) -> torch.Tensor:
    """float32 (N, 3, H, W), contiguous, of uint8 that may lie otherwise; in pinned memory where that is asked for.

    Image by image, so that an image is still in the CPU's cache when the next step needs it.
    """
    scale, offset = (torch.from_numpy(values).view(3, 1, 1) for values in affine())
    batch = torch.empty(images.shape, dtype=torch.float32, pin_memory=pinned)
    for image, target in zip(images, batch, strict=True):
        target.copy_(image).mul_(scale).add_(offset)
    return batch
