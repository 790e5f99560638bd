"""End-to-end training: from JPEGs on disk to a saved, restored and evaluated model."""

import dataclasses
import importlib
import multiprocessing
import os
from pathlib import Path

import torch
from torch import nn

from runners.harness.record import Check, Effective
from runners.harness.workload import FitWork, Invalid, Request, Unsupported
from runners.pytorch import device as devices
from runners.pytorch.infer import assert_finite
from runners.pytorch.networks import build, counts
from runners.reference.batch import REFERENCE_IMAGES, images
from runners.reference.labelled import Labelled, unfit
from runners.reference.sketch import sketch
from runners.reference.weights import digest, weights


@devices.naming_out_of_memory
def prepare(request: Request) -> FitWork:
    """Data described, nothing decoded, nothing built: the stages do that, on the clock."""
    case, manifest = request.case, request.manifest
    device = devices.configure(request)
    classes = len(manifest.classes)
    if reason := unfit(len(manifest.splits["train"]), classes, case.batch_size):
        raise Unsupported(reason)
    arrays = weights(case.network, case.seed, classes)
    data = importlib.import_module(f"runners.pytorch.fit_{request.competitor.loader}")
    criterion = nn.CrossEntropyLoss()

    def described(split: str, **how: bool) -> Labelled:
        return Labelled(
            paths=tuple(os.path.join(request.data_root, item.path) for item in manifest.splits[split]),
            labels=tuple(item.label for item in manifest.splits[split]),
            side=case.input_size,
            batch_size=case.batch_size,
            workers=case.workers,
            **how,
        )

    train_images = described("train", cache=case.cache, augment=case.augment, shuffle=True)
    test_images = described("test")
    pinned = device.type == "cuda"
    model = optimizer = restored = train_loader = None
    history: list[tuple[float, float]] = []
    seen: dict[str, torch.Tensor] = {}
    settings: dict[str, str] = {}

    def load() -> None:
        next(batches(data.loader(train_images, case.seed, pinned)))

    def build_model() -> None:
        nonlocal model, optimizer
        model = build(case.network, classes, arrays).to(device)
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, betas=(0.9, 0.999), eps=1e-8)

    @devices.naming_out_of_memory
    def train_epoch(_epoch: int) -> tuple[float, float]:
        nonlocal train_loader
        train_loader = train_loader or data.loader(train_images, case.seed, pinned)
        model.train()
        loss_sum, correct = torch.zeros((), device=device), torch.zeros((), dtype=torch.int64, device=device)
        for batch, labels in batches(train_loader):
            optimizer.zero_grad()
            logits = model(batch)
            loss = criterion(logits, labels)
            loss.backward()
            optimizer.step()
            loss_sum += loss.detach() * len(labels)
            correct += (logits.argmax(1) == labels).sum()
        settings["workers_alive"] = str(len(multiprocessing.active_children()))
        count = len(train_images.paths)
        history.append((loss_sum.item() / count, correct.item() / count))
        return history[-1]

    def save(path: Path) -> None:
        torch.jit.script(model.eval()).save(path.with_suffix(".pt"))

    def restore(path: Path) -> None:
        nonlocal restored
        restored = torch.jit.load(path.with_suffix(".pt"), map_location=device).eval()

    def evaluate() -> tuple[float, float]:
        name = "trained" if restored is None else "restored"
        loss, accuracy, seen[name] = tested(restored or model.eval())
        return loss, accuracy

    @devices.naming_out_of_memory
    @torch.inference_mode()
    def tested(network: nn.Module) -> tuple[float, float, torch.Tensor]:
        loss_sum, predictions = torch.zeros((), device=device), []
        for batch, labels in batches(data.loader(test_images, case.seed, pinned)):
            logits = network(batch)
            loss_sum += criterion(logits, labels) * len(labels)
            predictions.append(logits.argmax(1))
        found, wanted = torch.cat(predictions), torch.tensor(test_images.labels, device=device)
        return loss_sum.item() / len(wanted), (found == wanted).sum().item() / len(wanted), found

    def batches(loader):
        try:
            for batch, labels in loader:
                yield batch.to(device, non_blocking=pinned), labels.to(device, non_blocking=pinned)
        except ValueError as error:
            raise Invalid("DATA", str(error).strip().splitlines()[-1].removeprefix("ValueError: ")) from None

    def check() -> Check:
        """After the clock: does the model in memory say what the restored one said?"""
        fresh = build(case.network, classes, arrays).to(device).eval()
        reference = torch.from_numpy(images(case.seed, REFERENCE_IMAGES, case.input_size)).to(device)
        found = counts(fresh)
        evidence = Check(
            trainable=found.trainable,
            non_trainable=found.non_trainable,
            weights_digest=digest(arrays),
            logits_sketch=sketch(assert_finite(fresh, reference).cpu().numpy()),
        )
        if not history:
            return evidence
        _, accuracy, trained = tested(model.eval())
        wanted = torch.tensor(test_images.labels, device=device)
        differing = int((trained != seen["restored"]).sum())
        if differing:
            raise Invalid("RESTORE", f"the restored model answers {differing} of {len(wanted)} test images differently")
        return dataclasses.replace(
            evidence,
            loss_first=history[0][0],
            loss_last=history[-1][0],
            accuracy=accuracy,
            accuracy_restored=(seen["restored"] == wanted).sum().item() / len(wanted),
        )

    def effective() -> Effective:
        found = devices.effective(request, device)
        found.settings.update(settings, start_method=multiprocessing.get_start_method(), saved_as="TorchScript")
        return found

    def close() -> None:
        nonlocal train_loader
        train_loader = None  # its persistent workers end with it

    return FitWork(
        load=load,
        build=build_model,
        train_epoch=train_epoch,
        save=save,
        restore=restore,
        evaluate=evaluate,
        train_items=len(train_images.paths),
        check=check,
        effective=effective,
        close=close,
        gpu_peaks=lambda: devices.gpu_peaks(device),
    )
