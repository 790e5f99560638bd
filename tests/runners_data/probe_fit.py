"""Runs in a framework's own Python: a small training, stage by stage. Prints JSON.

argv: framework, loader, variant (- for the first), manifest, cache (yes or no).
It counts the decoded images.
"""

import functools
import importlib
import json
import sys
import tempfile
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from runners.harness.case import Case, Competitor
from runners.harness.manifest import read_manifest
from runners.harness.workload import Invalid, Request, Unsupported
from runners.reference.labelled import Labelled

decoded: list[int] = []


def main(name: str, loader: str, variant: str, manifest_path: str, cache: str) -> None:
    offered = importlib.import_module(f"runners.{name}.framework").FRAMEWORK.workloads["fit"].variants
    variant = offered[0] if variant == "-" else variant
    fit = importlib.import_module(f"runners.{name}.fit")
    data = importlib.import_module(f"runners.{name}.fit_{loader}")
    for decoder in decoders(data):
        counting(name, data, decoder)
    manifest = read_manifest(Path(manifest_path))

    def request(batch_size: int, workers: int = 0, network: str = "cnn4") -> Request:
        parameters = {"workers": workers, "cache": cache == "yes", "augment": True, "epochs": 2}
        case = Case("fit", "cpu", network=network, input_size=32, batch_size=batch_size, seed=25, **parameters)
        return Request(case, Competitor(name, variant, loader), 1, scratch, scratch, manifest, Path(manifest.root))

    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        outcome = trained(fit.prepare(request(8)), scratch)
        outcome["repeated"] = [history(fit.prepare(request(8, workers=2))) for _ in range(2)]
        outcome["disk_full"] = disk_full(fit.prepare(request(8)), scratch)
        outcome["cut_off"] = cut_off(fit.prepare(request(8)), scratch)
        outcome["too_large"] = refused(lambda: fit.prepare(request(1000)))
        outcome["stale"] = stale(fit.prepare(request(8)), scratch)
        outcome["stale_further"] = stale_further(fit.prepare(request(8)), scratch)
        if cache == "no":
            outcome["resnet18"] = trained(fit.prepare(request(8, network="resnet18")), scratch)
            outcome["orders"] = orders(name, data, manifest, variant == "tuned")
            outcome["mistakes"] = {
                mistake.__name__: made(mistake, name, data, lambda: fit.prepare(request(8)))
                for mistake in (wrong_rate, batch_dropped, mirrored, channels_swapped, never_flipped)
            }
        outcome["vanished"] = vanished(fit.prepare(request(8, workers=2)), Path(manifest.root) / "train")
    json.dump(outcome, sys.stdout)


def trained(work, scratch: Path) -> dict:
    counts = {}

    def counted(stage: str, verb):
        before = len(decoded)
        result = verb()
        counts[stage] = len(decoded) - before
        return result

    counted("prepare", lambda: None)
    counted("load", work.load)
    counted("build", work.build)
    built = work.check()
    epochs = [counted(f"epoch {number}", lambda number=number: work.train_epoch(number)) for number in range(2)]
    counted("save", lambda: work.save(scratch / "model"))
    counted("restore", lambda: work.restore(scratch / "model"))
    evaluated = counted("evaluate", work.evaluate)
    for form in work.further.values():
        form.save(scratch / "further")
        form.restore(scratch / "further")
    check, seen = work.check(), work.seen()
    work.close()
    return {
        "counts": counts,
        "epochs": [asdict(epoch) for epoch in epochs],
        "evaluated": evaluated,
        "accuracy": [check.accuracy, check.accuracy_restored],
        "built": asdict(built),
        "check": asdict(check),
        "effective": asdict(seen),
        "train_items": work.train_items,
        "files": sorted(path.suffix for path in scratch.glob("model*")),
        "further": sorted(path.suffix for path in scratch.glob("further*")),
    }


def history(work) -> list[tuple[float, float]]:
    """Loss and accuracy of two epochs."""
    work.build()
    passed = [work.train_epoch(number) for number in range(2)]
    work.close()
    return [(one.loss, one.accuracy) for one in passed]


def orders(name: str, data, manifest, tuned: bool) -> dict:
    """The four corners of every image in two passes, shuffled and not, flipped and not."""
    found = {}
    for shuffle, augment, workers in ((False, False, 0), (True, False, 0), (True, False, 2), (False, True, 2)):
        items = manifest.splits["train"]
        paths = tuple(f"{manifest.root}/{item.path}" for item in items)
        labels = tuple(item.label for item in items)
        source = Labelled(paths, labels, 32, 8, workers, augment=augment, shuffle=shuffle, tuned=tuned)
        loader = data.loader(source, 25, *([False] if name == "pytorch" else []))
        passes = []
        for _ in range(2):
            images = [np.asarray(image) for batch, _ in loader for image in batch]
            planes = [image if name == "pytorch" else image.transpose(2, 0, 1) for image in images]
            passes.append([[plane[:, y, x].tolist() for y in (1, -2) for x in (1, -2)] for plane in planes])
        found[f"shuffle {shuffle} augment {augment} workers {workers}"] = passes
        found[f"contiguous {workers}"] = name != "pytorch" or bool(next(iter(loader))[0].is_contiguous())
    return found


def made(mistake, name: str, data, prepare) -> dict:
    """The result of a training with a deliberate mistake."""
    undo = mistake(name, data)
    try:
        work, checks = prepare(), []
        work.build()
        reason = refused(lambda: checks.append(asdict(work.check())))
        if mistake is batch_dropped:
            work.train_epoch(0)
            reason = refused(work.check)
        work.close()
        return {"refused": reason, "built": checks[0] if checks else None}
    finally:
        undo()


def wrong_rate(name: str, _data):
    """A learning rate that is a tenth too high."""
    train = importlib.import_module(f"runners.{name}.train")
    usual = train.adam

    def adam(*model):
        optimizer = usual(*model)
        if name == "pytorch":
            optimizer.param_groups[0]["lr"] = 1.1e-3
        else:
            optimizer.learning_rate = 1.1e-3
        return optimizer

    train.adam = adam
    return lambda: setattr(train, "adam", usual)


def batch_dropped(name: str, data):
    """A training epoch without its last batch."""
    usual = data.loader

    def loader(source, *more):
        whole = usual(source, *more)
        if not source.shuffle:
            return whole
        return whole.take(2) if name == "tensorflow" else list(whole)[:2]

    data.loader = loader
    return lambda: setattr(data, "loader", usual)


def mirrored(name: str, data):
    """Every image mirrored."""
    usual = {decoder: getattr(data, decoder) for decoder in decoders(data)}

    def wrong(decode, path, side):
        image = decode(path, side)
        return image.flip(-1) if name == "pytorch" else image[:, ::-1]

    for decoder, decode in usual.items():
        setattr(data, decoder, functools.partial(wrong, decode))
    return lambda: vars(data).update(usual)


def channels_swapped(name: str, data):
    """Red and blue change places, but only where the case augments, so that plain images show nothing."""
    usual = data.loader

    class Swapped:
        def __init__(self, batches):
            self.batches = batches

        def __iter__(self):
            return ((images.flip(1), labels) for images, labels in self.batches)

    def loader(source, *more):
        batches = usual(source, *more)
        if not source.augment:
            return batches
        if name == "tensorflow":
            return batches.map(lambda images, labels: (images[..., ::-1], labels))
        return Swapped(batches)

    data.loader = loader
    return lambda: setattr(data, "loader", usual)


def never_flipped(_name: str, data):
    """The loader forgets to augment."""
    usual = data.loader
    data.loader = lambda source, *more: usual(replace(source, augment=False), *more)
    return lambda: setattr(data, "loader", usual)


def stale(work, scratch: Path) -> str:
    """The error if the restored file is not the trained model."""
    work.build()
    work.save(scratch / "early")
    for number in range(3):
        work.train_epoch(number)
    work.restore(scratch / "early")
    work.evaluate()
    message = refused(work.check)
    work.close()
    return message


def stale_further(work, scratch: Path) -> list[str]:
    """The error for each further format if its restored file is not the trained model."""
    work.build()
    for form in work.further.values():
        form.save(scratch / "early")
    for number in range(3):
        work.train_epoch(number)
    work.save(scratch / "model")
    work.restore(scratch / "model")
    work.evaluate()
    messages = []
    for form in work.further.values():
        form.restore(scratch / "early")
        messages.append(refused(work.check))
    work.close()
    return messages


def disk_full(work, scratch: Path) -> str:
    """The error if the file of the model cannot be written."""
    for suffix in (".pt", ".keras"):
        (scratch / f"full{suffix}").symlink_to("/dev/full")
    work.build()
    try:
        work.save(scratch / "full")
    except Exception as error:
        return str(error)
    finally:
        work.close()
    return ""


def cut_off(work, scratch: Path) -> str:
    """The error if half of the model's file is missing."""
    work.build()
    work.save(scratch / "half")
    [path] = scratch.glob("half.*")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    try:
        work.restore(scratch / "half")
    except Exception as error:
        return str(error)
    finally:
        work.close()
    return ""


def vanished(work, images: Path) -> str:
    """The error if the images are deleted after the first epoch; none if every worker has them in a cache."""
    work.build()
    work.train_epoch(0)
    hidden = images.rename(images.with_name("hidden"))
    message = refused(lambda: work.train_epoch(1))
    hidden.rename(images)
    work.close()
    return message


def refused(call) -> str:
    try:
        call()
    except (Invalid, Unsupported) as reason:
        return f"{getattr(reason, 'kind', 'UNSUPPORTED')}: {reason}"
    return ""


def decoders(data) -> list[str]:
    """The names of the decoding functions in a loader's module, plain or tuned."""
    return [name for name in ("decode", "decode_to_tensor") if hasattr(data, name)]


def counting(name: str, images, decoder: str) -> None:
    original = getattr(images, decoder)

    def note(side: int):
        decoded.append(1)
        return side

    def decode(path, side: int):
        if name == "pytorch":
            note(side)
            return original(path, side)
        import tensorflow as tf

        with tf.control_dependencies([tf.numpy_function(note, [tf.constant(side, tf.int64)], tf.int64)]):
            return original(tf.identity(path), side)

    setattr(images, decoder, decode)


if __name__ == "__main__":
    main(*sys.argv[1:])
