"""Training as in PyTorch's tutorials for beginners: a data set, a DataLoader, a loop.

argv: folder of classes, batch size, workers, cache (yes or no), augment (yes or no), epochs. Prints JSON.
"""

import json
import sys
import time

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2


class Cached(Dataset):
    """Keeps the images of another data set, and applies a transform such as flips to each kept image."""

    def __init__(self, images: Dataset, transform: v2.Transform) -> None:
        self.images, self.transform = images, transform
        self.kept: dict[int, tuple[torch.Tensor, int]] = {}

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        if index not in self.kept:
            self.kept[index] = self.images[index]
        image, label = self.kept[index]
        return self.transform(image), label


class Network(nn.Module):
    """The network of docs/fairness.md."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        stages: list[nn.Module] = []
        for before, after in ((3, 32), (32, 64), (64, 128), (128, 128)):
            stages += [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU(), nn.MaxPool2d(2)]
        self.features = nn.Sequential(*stages, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Sequential(nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, classes))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(images))


def main(folder: str, batch_size: int, workers: int, cache: bool, augment: bool, epochs: int) -> None:
    """Train, and print seconds, loss and accuracy."""
    torch.manual_seed(25)
    flips = v2.Compose([v2.RandomHorizontalFlip(), v2.RandomVerticalFlip()]) if augment else v2.Identity()
    read = v2.Compose([v2.Resize((32, 32)), v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])
    images = ImageFolder(f"{folder}/train", read if cache else v2.Compose([read, flips]))
    model = Network(len(images.classes))
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters())

    began = time.perf_counter()
    loader = DataLoader(Cached(images, flips) if cache else images, batch_size, shuffle=True, num_workers=workers)
    for _ in range(epochs):
        model.train()
        running_loss, correct = 0.0, 0
        for inputs, labels in loader:
            optimizer.zero_grad()
            outputs = model(inputs)
            loss = criterion(outputs, labels)
            loss.backward()
            optimizer.step()
            running_loss += loss.item() * len(labels)
            correct += (outputs.argmax(1) == labels).sum().item()
    took = time.perf_counter() - began
    print(json.dumps({"seconds": took, "loss": running_loss / len(images), "accuracy": correct / len(images)}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "yes", sys.argv[5] == "yes", int(sys.argv[6]))
