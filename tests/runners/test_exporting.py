"""The work of `export`: its evidence with a fake exporter, and the exporters of the frameworks."""

import json
import os
import shutil
import subprocess

import numpy as np
import pytest
from needs import ROOT

from launcher.plan.discovery import discover
from runners.harness.agreement import LOGITS_TOLERANCE
from runners.harness.case import Case, Competitor
from runners.harness.workload import Invalid, Request, Seen
from runners.reference.evidence import shared_sizes
from runners.reference.exporting import FLOAT_BYTES, exporting

CASE = Case("export", "cpu", batch_size=3, seed=25, network="cnn4", format="onnx", input_size=32)
SIZES = shared_sizes("cnn4", 100)
WEIGHTS = bytes(FLOAT_BYTES * sum(SIZES.values()))
SEEN = Seen("cpu", "fp32", 1, 1)
EXPORTERS = sorted(
    (name, form)
    for name, found in discover(ROOT).items()
    if found.declaration and "export" in found.declaration.workloads
    for form in found.declaration.workloads["export"].formats
)


def logits(images, error=0.0):
    return np.outer(images.mean(axis=(1, 2, 3)), np.linspace(1 + error, 2, 100))


def work(scratch, **changes):
    parts = {
        "export": lambda path: path.write_bytes(WEIGHTS),
        "source": logits,
        "exported": lambda _, part: logits(part),
        "parameters": SIZES,
        "seen": lambda: SEEN,
    }
    return exporting(Request(CASE, Competitor("fake", "only"), 1, scratch, scratch), **parts | changes)


def test_the_file_is_measured_and_compared_with_its_source(tmp_path):
    def export(path):
        path.write_bytes(WEIGHTS[:100])
        path.with_name("weights").write_bytes(WEIGHTS)

    asked = []
    made = work(tmp_path, export=export, exported=lambda path, part: asked.append((path, len(part))) or logits(part))
    assert asked == []
    made.run()
    check = made.check()
    assert asked == [(tmp_path / "exported" / "cnn4.onnx", 3)]
    assert check.file_bytes == len(WEIGHTS) + 100
    assert check.export_difference == 0
    assert (check.trainable, check.non_trainable) == (270_948, 704)
    assert check.logits_sketch


@pytest.mark.parametrize(
    ("changes", "kind", "words"),
    [
        ({"exported": lambda _, part: logits(part, 1e-2)}, "PARITY", "logits of the exported file differ by"),
        ({"exported": lambda _, part: logits(part) * np.nan}, "PARITY", "differ by nan"),
        ({"export": lambda _: None}, "EXPORT", "left no file of the name cnn4.onnx"),
        ({"export": lambda path: path.with_name("other").write_bytes(WEIGHTS)}, "EXPORT", "left no file"),
        ({"export": lambda path: path.write_bytes(WEIGHTS[::2])}, "EXPORT", "weights in float32 take"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path, changes, kind, words):
    made = work(tmp_path, **changes)
    made.run()
    with pytest.raises(Invalid, match=words) as refused:
        made.check()
    assert refused.value.kind == kind


def test_a_full_disk_is_told_from_other_errors(tmp_path, monkeypatch):
    def export(_):
        raise RuntimeError("operator not known")

    made = work(tmp_path, export=export)
    with pytest.raises(RuntimeError, match="operator not known"):
        made.run()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 1000))
    with pytest.raises(Invalid, match="1,086,608 bytes or more are needed, 1,000 are free"):
        made.run()


CORRUPTED = """
import json, sys
from importlib import import_module
from pathlib import Path
from runners.harness.case import Case, Competitor
from runners.harness.effective import effective
from runners.harness.workload import Invalid, Request

framework, variant, form, scratch = sys.argv[1], sys.argv[2], sys.argv[3], Path(sys.argv[4])
case = Case("export", "cpu", batch_size=1, seed=25, network="cnn4", format=form, input_size=32)
request = Request(case, Competitor(framework, variant), 2, scratch, scratch)
made = import_module(f"runners.{framework}.export").prepare(request)
made.run()
check = made.check()
effective(request, made.seen())
largest = max((scratch / "exported").iterdir(), key=lambda file: file.stat().st_size)
whole = bytearray(largest.read_bytes())
middle = len(whole) // 2 // 4 * 4
whole[middle : middle + 4000] = bytes(4000)
largest.write_bytes(whole)
try:
    made.check()
    refused = ""
except Invalid as error:
    refused = error.kind
print(json.dumps([check.export_difference, check.file_bytes, refused]))
"""
"""Exports, checks, and checks again after a thousand weights of the file became zero."""


@pytest.mark.full
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("framework", "variant", "form"),
    [
        pytest.param(name, variant, form, marks=pytest.mark.frameworks(name))
        for name, form in EXPORTERS
        for variant in discover(ROOT)[name].declaration.workloads["export"].variants
    ],
)
def test_a_framework_writes_what_it_computes_and_a_changed_file_is_refused(framework, variant, form, tmp_path):
    python = ROOT / ".venvs" / framework / "bin" / "python"
    done = subprocess.run(
        [python, "-c", CORRUPTED, framework, variant, form, tmp_path],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    difference, size, refused = json.loads(done.stdout.splitlines()[-1])
    assert 0 < difference <= LOGITS_TOLERANCE["fp32"]
    assert size >= 0.95 * FLOAT_BYTES * 270_948
    assert refused == "PARITY"
