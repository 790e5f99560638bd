"""End-to-end training: from JPEGs on disk to a saved, restored and evaluated model."""

import dataclasses
import importlib
import io
import itertools
import multiprocessing
from pathlib import Path

import torch
from torch import nn

from runners.harness.record import Check, DeliveredImages
from runners.harness.waiting import Waiting
from runners.harness.workload import EpochResult, FitWork, Invalid, Request, SavedAs, Seen, Unsupported
from runners.pytorch import device as devices
from runners.pytorch.double import TrainStep, in_double, losses_of
from runners.pytorch.fit_images import scaled
from runners.pytorch.networks import build, sizes
from runners.pytorch.train import evaluated, train_step_of
from runners.reference.batch import shared_batch
from runners.reference.delivered import delivered_images, spread_over
from runners.reference.evidence import COMPARED_LOSSES, assert_parameters, training_check
from runners.reference.labelled import REPEATABLE, assert_same_pixels, for_inspection, of_split, unfit_data
from runners.reference.pixels import Delivered
from runners.reference.weights import weights


def prepare(request: Request) -> FitWork:
    """Describe the data, but decode and build nothing: the stages do that, on the clock."""
    case, manifest = request.case, request.manifest
    device = devices.configure(request)
    classes = len(manifest.classes)
    if reason := unfit_data(case, len(manifest.splits["train"]), classes):
        raise Unsupported(reason)
    arrays = weights(case.network, case.seed, classes)
    data = importlib.import_module(f"runners.pytorch.fit_{request.competitor.loader}")
    criterion = nn.CrossEntropyLoss()

    pinned, tuned = device.type == "cuda", request.competitor.variant == "tuned"
    train_images = of_split(request, "train", cache=case.cache, augment=case.augment, shuffle=True, tuned=tuned)
    test_images = of_split(request, "test", tuned=tuned)
    memory = torch.channels_last if tuned else torch.contiguous_format
    model = train_step = restored = exported = train_loader = None
    delivered, layout = 0, ""
    history: list[EpochResult] = []
    waiting = Waiting()
    predicted: dict[str, torch.Tensor] = {}
    settings: dict[str, str] = {}

    def load() -> None:
        arriving = batches(data.loader(train_images, case.seed, pinned))
        next(arriving)
        settings["workers_at_first_batch"] = str(data.workers_alive())

    def fresh(dtype: torch.dtype) -> nn.Module:
        return build(case.network, classes, arrays, dtype).to(device, memory_format=memory)

    def new_train_step(network: nn.Module) -> TrainStep:
        return train_step_of(network, fused=tuned)

    def build_model() -> None:
        nonlocal model, train_step
        model = fresh(torch.float32)
        assert_parameters(case.network, classes, sizes(model))
        train_step = new_train_step(model)

    def train_epoch(_epoch: int) -> EpochResult:
        nonlocal train_loader, delivered, layout
        train_loader = train_loader or data.loader(train_images, case.seed, pinned)
        model.train()
        loss_sum, correct = torch.zeros((), device=device), torch.zeros((), dtype=torch.int64, device=device)
        for batch, labels in waiting.watched(batches(train_loader)):
            loss, logits = train_step(batch, labels)
            delivered += len(labels)
            loss_sum += loss * len(labels)
            correct += (logits.argmax(1) == labels).sum()
        layout = devices.layout(batch)
        count = len(train_images.paths)
        history.append(EpochResult(loss_sum.item() / count, correct.item() / count, waiting.taken()))
        return history[-1]

    def save(path: Path) -> None:
        # To memory first: if the disk is full, saving straight to a file ends the whole process (SIGABRT).
        saved = io.BytesIO()
        torch.jit.save(torch.jit.script(model.eval()), saved)
        path.with_suffix(".pt").write_bytes(saved.getbuffer())

    def restore(path: Path) -> None:
        nonlocal restored
        restored = torch.jit.load(path.with_suffix(".pt"), map_location=device).eval()

    def save_exported(path: Path) -> None:
        batch = torch.zeros(2, 3, case.input_size, case.input_size, device=device)
        any_number = ({0: torch.export.Dim.DYNAMIC},)
        saved = io.BytesIO()
        torch.export.save(torch.export.export(model.eval(), (batch,), dynamic_shapes=any_number), saved)
        path.with_suffix(".pt2").write_bytes(saved.getbuffer())

    def restore_exported(path: Path) -> None:
        nonlocal exported
        exported = torch.export.load(path.with_suffix(".pt2")).module()

    def evaluate() -> tuple[float, float]:
        name = "trained" if restored is None else "restored"
        loss, accuracy, predicted[name] = tested(restored or model.eval())
        return loss, accuracy

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
                batch = scaled(batch.to(device, non_blocking=pinned, memory_format=memory))
                yield batch, labels.to(device, non_blocking=pinned)
        except ValueError as error:
            raise Invalid("DATA", str(error).strip().splitlines()[-1].removeprefix("ValueError: ")) from None

    def check() -> Check:
        """After the clock: the evidence, and whether the model in memory gives the restored model's answers."""
        pixels, images, untrained = inspected(), kept(), fresh(torch.float32)
        found = dataclasses.replace(
            training_check(
                request,
                classes,
                sizes(untrained),
                logits=lambda part: evaluated(fresh(torch.float32), part),
                double=in_double(fresh, train_step_of),
                losses=losses_of(
                    new_train_step(untrained), untrained, *shared_batch(request, classes), COMPARED_LOSSES
                ),
            ),
            pixel_mean_difference=pixels.mean_difference,
            pixel_worst_image=pixels.worst_image,
            images=images,
        )
        if not history:
            return found
        if delivered != len(history) * len(train_images.paths):
            raise Invalid("ITEMS", f"{delivered} images in {len(history)} epochs of {len(train_images.paths)} images")
        _, accuracy, trained = tested(model.eval())
        wanted = torch.tensor(test_images.labels, device=device)
        differing = int((trained != predicted["restored"]).sum())
        if differing:
            raise Invalid("RESTORE", f"the restored model answers {differing} of {len(wanted)} test images differently")
        differing = int((trained != tested(exported)[2]).sum()) if exported else 0
        if differing:
            raise Invalid("RESTORE", f"the exported model answers {differing} of {len(wanted)} test images differently")
        return dataclasses.replace(
            found,
            delivered_items=delivered,
            loss_first=history[0].loss,
            loss_last=history[-1].loss,
            accuracy=accuracy,
            accuracy_restored=(predicted["restored"] == wanted).sum().item() / len(wanted),
        )

    def inspected() -> Delivered:
        source = for_inspection(train_images, case.seed)
        loader = data.loader(source, case.seed, pinned)
        if source.cache:
            for _ in batches(loader):  # fill the cache, so that the comparison reads from it
                pass
        return assert_same_pixels(arrived(loader), source, channels_first=True)

    def kept() -> DeliveredImages:
        spread = spread_over(train_images)
        loader = data.loader(spread.source, case.seed, pinned)
        passes = (arrived(loader) for _ in range(spread.passes))
        return delivered_images(itertools.chain.from_iterable(passes), spread, channels_first=True)

    def arrived(loader):
        return ((batch.cpu().contiguous().numpy(), labels.tolist()) for batch, labels in batches(loader))

    def seen() -> Seen:
        found = devices.seen(model.parameters(), layout)
        settings.update(start_method=multiprocessing.get_start_method(), saved_as="TorchScript")
        settings["repeatable"] = REPEATABLE[case.device]
        return dataclasses.replace(found, settings={**found.settings, **settings})

    def close() -> None:
        nonlocal train_loader
        train_loader = None  # ends its persistent workers

    return FitWork(
        load=load,
        build=build_model,
        train_epoch=train_epoch,
        save=save,
        restore=restore,
        evaluate=evaluate,
        train_items=len(train_images.paths),
        check=check,
        seen=seen,
        close=close,
        further={"pt2": SavedAs(save_exported, restore_exported)} if hasattr(torch.export.Dim, "DYNAMIC") else {},
    )
