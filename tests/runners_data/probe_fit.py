"""Runs in a framework's own Python: one small training, stage by stage; prints JSON.

argv: framework, manifest, cache (yes or no). Images are counted as they are decoded.
"""

import importlib
import json
import sys
import tempfile
from pathlib import Path

from runners.harness.case import Case, Competitor
from runners.harness.manifest import read_manifest
from runners.harness.workload import Invalid, Request, Unsupported

decoded: list[int] = []


def main(name: str, manifest_path: str, cache: str) -> None:
    loader = importlib.import_module(f"runners.{name}.framework").FRAMEWORK.workloads["fit"].loaders[0]
    variant = importlib.import_module(f"runners.{name}.framework").FRAMEWORK.workloads["fit"].variants[0]
    fit = importlib.import_module(f"runners.{name}.fit")
    counting(name, importlib.import_module(f"runners.{name}.fit_{loader}"))
    manifest = read_manifest(Path(manifest_path))

    def request(batch_size: int, workers: int = 0) -> Request:
        case = Case(
            "fit", "cpu", batch_size, 25, network="cnn4", input_size=32, workers=workers, cache=cache == "yes",
            augment=True, epochs=2,
        )  # fmt: skip
        return Request(case, Competitor(name, variant, loader), 1, scratch, manifest, Path(manifest.root))

    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        outcome = trained(fit.prepare(request(8)), scratch)
        outcome["too_large"] = refused(lambda: fit.prepare(request(1000)))
        outcome["stale"] = stale(fit.prepare(request(8)), scratch)
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
    check = work.check()
    work.close()
    return {
        "counts": counts,
        "epochs": epochs,
        "evaluated": evaluated,
        "accuracy": [check.accuracy, check.accuracy_restored],
        "built": [built.trainable, built.non_trainable, built.weights_digest, built.logits_sketch],
        "train_items": work.train_items,
        "files": sorted(path.suffix for path in scratch.glob("model*")),
    }


def stale(work, scratch: Path) -> str:
    """What is said when the file that was restored is not the model that was trained."""
    work.build()
    work.save(scratch / "early")
    for number in range(3):
        work.train_epoch(number)
    work.restore(scratch / "early")
    work.evaluate()
    message = refused(work.check)
    work.close()
    return message


def vanished(work, images: Path) -> str:
    """What is said when the images are gone after the first epoch; nothing where every worker has them cached."""
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


def counting(name: str, images) -> None:
    original = images.decode

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

    images.decode = decode


if __name__ == "__main__":
    main(*sys.argv[1:])
