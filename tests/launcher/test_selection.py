"""What a person chooses instead of a profile's values, and what nobody can mean."""

from collections.abc import Callable
from pathlib import Path

import pytest
from launcher_fakes import framework_tree

from launcher.cli import main

DECLARATION = """
from runners.harness.workload import Framework, Workload
STEPS = dict(
    networks=('cnn4', 'resnet18', 'own'), sizes={'cnn4': (32,), 'resnet18': (224, 128)},
    scopes=('compute', 'transfer+compute'), precisions=('fp32', 'bf16', 'tf32'),
)
FRAMEWORK = Framework('fake', (), {
    'train': Workload(('eager', 'compile'), **STEPS),
    'infer': Workload(('eager', 'script'), **STEPS),
    'roof': Workload(('eager',), stages=('product', 'copy'), precisions=('fp32', 'bf16', 'tf32')),
})
"""
OTHER = """
from runners.harness.workload import Framework, Workload
FRAMEWORK = Framework('other', (), {'infer': Workload(
    ('graph',), networks=('resnet18',), sizes={'resnet18': (224, 320)}, scopes=('compute',))})
"""
PROFILE = """
description = "steps"
blocks = 1

[[cases]]
workload = "train"
network = "cnn4"
input_size = 32
batch_size = 8

[[cases]]
workload = "infer"
network = "resnet18"
input_size = 128
batch_size = [1, 8]

[[cases]]
workload = "roof"
stage = ["product", "copy"]
batch_size = 1
"""


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two frameworks of unlike abilities, on a processor that has bf16 and no TF32."""
    framework_tree(tmp_path, "fake")
    framework_tree(tmp_path, "other")
    (tmp_path / "runners" / "fake" / "framework.py").write_text(DECLARATION)
    (tmp_path / "runners" / "other" / "framework.py").write_text(OTHER)
    (tmp_path / "profiles" / "steps.toml").write_text(PROFILE)
    monkeypatch.setattr("launcher.plan.validation.lacking", lambda _, name: "no TF32 here" if name == "tf32" else "")
    return tmp_path


def planned(tree: Path, capsys: pytest.CaptureFixture[str], *more: str) -> list[str]:
    """The cases' names and competitors as `plan` prints them."""
    assert main(["plan", "--profile", "steps", *more], tree) == 0
    body = capsys.readouterr().out.partition("\n\n")[2].partition("\n\n")[0]
    return [line.partition("   ")[0] if line[0] != " " else line.strip() for line in body.splitlines()]


def cases(tree: Path, capsys: pytest.CaptureFixture[str], *more: str) -> list[str]:
    return [line for line in planned(tree, capsys, *more) if line.endswith(" cpu")]


def test_networks_sizes_and_batches_replace_the_profile_s(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chosen = cases(tree, capsys, "--networks", "resnet18", "--sizes", "128,224", "--batches", "2")
    assert chosen == [
        "train resnet18 128 px batch 2 cpu",
        "train resnet18 224 px batch 2 cpu",
        "infer resnet18 128 px batch 2 cpu",
        "infer resnet18 224 px batch 2 cpu",
        "roof product fp32 cpu",
        "roof copy fp32 cpu",
    ]


def test_the_roof_is_measured_in_the_precision_that_is_held_against_it(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Save for copies, whose bytes are of no precision."""
    chosen = cases(tree, capsys, "--precision", "fp32,bf16", "--workloads", "infer,roof", "--batches", "1")
    assert chosen == [
        "infer resnet18 128 px batch 1 cpu",
        "infer resnet18 128 px batch 1 bf16 cpu",
        "roof product fp32 cpu",
        "roof product bf16 cpu",
        "roof copy fp32 cpu",
    ]


def test_variants_and_scopes_replace_the_profile_s(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = planned(tree, capsys, "--workloads", "train", "--variants", "all", "--scope", "transfer+compute")
    assert lines[0] == "train cnn4 32 px batch 8 transfer+compute cpu"
    assert lines[1:3] == ["fake/eager", "fake/compile"]


def test_who_does_not_declare_a_workload_is_no_side_of_its_cases(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = planned(tree, capsys, "--workloads", "train,infer")
    assert lines[:3] == ["train cnn4 32 px batch 8 cpu", "fake/eager", "infer resnet18 128 px batch 1 cpu"]
    assert main(["plan", "--profile", "steps", "--workloads", "train", "--frameworks", "other"], tree) == 2
    said = capsys.readouterr().err
    assert "no competitor can run any of these cases: other: does not declare the workload train" in said


def test_a_size_that_only_some_take_is_a_dash_for_the_others(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = planned(tree, capsys, "--workloads", "infer", "--batches", "1", "--sizes", "128")
    assert lines[1] == "fake/eager"
    assert lines[2].startswith("other/graph   - UNSUPPORTED: does not declare size 128 of resnet18")


def test_a_network_without_sizes_takes_all(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cases(tree, capsys, "--workloads", "train", "--networks", "own", "--sizes", "999")


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--networks", "resnet81"], "did you mean resnet18?"),
        (["--sizes", "999"], "cnn4 is measured at 32 pixels a side, not at 999"),
        (["--workloads", "infer", "--sizes", "999"], "resnet18 is measured at 128, 224, 320 pixels a side, not at 999"),
        (["--networks", "resnet18"], "train: resnet18 is measured at 128, 224 pixels a side, not at 32; --sizes"),
        (["--sizes", "big"], "--sizes 'big'"),
        (["--batches", "0"], "--batches '0': a whole number from 1"),
        (["--batches", "8,-1"], "--batches '-1'"),
        (["--precision", "bf61"], "did you mean bf16?"),
        (["--precision", "tf32"], "precision 'tf32': no TF32 here; it has fp32, bf16"),
        (["--scope", "comput"], "did you mean compute?"),
        (["--workloads", "infer", "--variants", "grpah"], "did you mean graph?"),
        (
            ["--workloads", "roof", "--networks", "cnn4"],
            "--networks applies to train, infer, scale, export; these cases are of roof",
        ),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error_and_nothing_is_written(
    tree: Path, argv: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = [path for path in sorted(tree.rglob("*")) if "__pycache__" not in path.parts]
    assert main(["bench", "--profile", "steps", "--engine", "venv", *argv], tree) == 2
    assert words in capsys.readouterr().err
    assert [path for path in sorted(tree.rglob("*")) if "__pycache__" not in path.parts] == before


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("network = 'resnet18'\ninput_size = 999", "resnet18 is measured at 128, 224, 320"),
        ("network = 'resnet18'\ninput_size = 128\nprecision = 'tf32'", "no TF32 here; it has fp32, bf16"),
        ("network = 'resnet18'\ninput_size = 128\nprecision = 'fp8'", "unknown precision 'fp8'"),
        ("network = 'resnet18'\ninput_size = 128\nscope = 'all'", "unknown scope 'all'"),
        ("network = 'resnet18'\ninput_size = 0", "input_size"),
    ],
)
def test_the_same_is_refused_in_a_profile(
    tree: Path, line: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = f"description = ''\nblocks = 1\n[[cases]]\nworkload = 'infer'\nbatch_size = 1\n{line}\n"
    (tree / "profiles" / "odd.toml").write_text(text)
    assert main(["bench", "--profile", "odd", "--engine", "venv"], tree) == 2
    assert words in capsys.readouterr().err
    assert not (tree / "results").exists()


FITS = """
description = "trainings"
blocks = 1

[[cases]]
workload = "fit"
network = "cnn4"
input_size = 32
batch_size = 32
epochs = 2

[[cases]]
workload = "load"
stage = "batch"
batch_size = 8
"""
LOADERS = """
from runners.harness.workload import Framework, Workload
FRAMEWORK = Framework('fake', (), {
    'fit': Workload(('eager', 'tuned'), ('torch', 'spdl'), networks=('cnn4',)),
    'load': Workload(
        ('plain', 'tuned'),
        ('torch', 'spdl'),
        stages=('batch', 'transfer'),
        gpu_copies=('variant', 'piped'),
        takes=('prefetch',),
    ),
})
"""


@pytest.fixture
def trainings(tree: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., list[str]]:
    """The cases that a profile of trainings and loaders gives with more options, and their competitors."""
    (tree / "runners" / "fake" / "framework.py").write_text(LOADERS)
    (tree / "profiles" / "steps.toml").write_text(FITS)
    return lambda *more: planned(tree, capsys, "--frameworks", "fake", *more)


def test_what_a_training_is_replaces_the_profile_s(trainings: Callable[..., list[str]]) -> None:
    lines = trainings("--workers", "0,5", "--cache", "on", "--augment", "on,off", "--workloads", "fit")
    found = [line for line in lines if line.startswith("fit")]
    assert found == [
        f"fit cnn4 32 px batch 32 workers {workers} cache{augment} epochs 2 synthetic-labelled cpu"
        for workers in (0, 5)
        for augment in (" augment", "")
    ]
    assert lines[1:3] == ["fake/torch/eager", "fake/spdl/eager"]


def test_seeds_and_testing_are_in_the_name_where_they_are_not_the_usual(trainings: Callable[..., list[str]]) -> None:
    options = ("--seeds", "25,26", "--test-each-epoch", "on", "--epochs", "3", "--batches", "16", "--loaders", "torch")
    lines = trainings("--workloads", "fit", *options)
    name = "fit cnn4 32 px batch 16 workers 1 epochs 3 tested each epoch"
    assert lines == [
        f"{name} synthetic-labelled cpu",
        "fake/torch/eager",
        f"{name} seed 26 synthetic-labelled cpu",
        "fake/torch/eager",
    ]


def test_workers_and_loaders_are_for_loading_too(trainings: Callable[..., list[str]]) -> None:
    lines = trainings("--workloads", "load", "--workers", "2", "--loaders", "spdl")
    assert lines == ["load batch batch 8 workers 2 synthetic-photos cpu", "fake/spdl/plain"]


def test_batches_prefetch_and_split_of_loaders_replace_the_profile_s(trainings: Callable[..., list[str]]) -> None:
    chosen = ("--batches", "4", "--prefetch", "1,2", "--split", "train")
    lines = trainings("--workloads", "load", "--loaders", "spdl", *chosen)
    assert [line for line in lines if line.startswith("load")] == [
        "load batch batch 4 workers 1 prefetch 1 split train synthetic-photos cpu",
        "load batch batch 4 workers 1 split train synthetic-photos cpu",
    ]


def test_a_piped_copy_is_a_dash_where_nothing_is_copied(tree: Path, trainings: Callable[..., list[str]]) -> None:
    profile = tree / "profiles" / "steps.toml"
    profile.write_text(profile.read_text().replace('stage = "batch"', 'stage = ["batch", "transfer"]'))
    batch, dash, transfer, runs = trainings("--workloads", "load", "--loaders", "spdl", "--gpu-copy", "piped")
    assert batch == "load batch batch 8 workers 1 piped copy synthetic-photos cpu"
    assert dash.startswith("fake/spdl/plain   - UNSUPPORTED: gpu_copy piped: the stage batch copies nothing to a GPU")
    assert (transfer.split()[:2], runs) == (["load", "transfer"], "fake/spdl/plain")


def test_more_workers_than_cpus_are_a_dash_unless_they_are_asked_for(
    tree: Path, trainings: Callable[..., list[str]]
) -> None:
    profile = tree / "profiles" / "steps.toml"
    profile.write_text(profile.read_text() + "workers = [1, 99]\n")
    bounded = trainings("--workloads", "load", "--loaders", "spdl", "--cpus", "0")
    assert bounded[1] == "fake/spdl/plain"
    assert bounded[3].startswith("fake/spdl/plain   - UNSUPPORTED: more workers (99) than CPUs (1); --workers 99")
    forced = trainings("--workloads", "load", "--loaders", "spdl", "--cpus", "0", "--workers", "1,99")
    assert forced[3] == "fake/spdl/plain"
    of_training = trainings("--workloads", "fit", "--loaders", "spdl", "--cpus", "0", "--workers", "99")
    assert of_training[1] == "fake/spdl/eager"


@pytest.mark.parametrize(
    ("chosen", "run"),
    [("tuned", ["tuned", "tuned"]), ("plain,tuned", ["tuned", "plain", "tuned"]), ("eager", ["eager", "plain"])],
)
def test_a_variant_is_chosen_wherever_it_is_known(
    trainings: Callable[..., list[str]], chosen: str, run: list[str]
) -> None:
    lines = trainings("--variants", chosen, "--loaders", "spdl")
    assert [line for line in lines if line.startswith("fake/")] == [f"fake/spdl/{variant}" for variant in run]


@pytest.mark.usefixtures("trainings")
@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--cache", "yes"], "--cache 'yes': on, off, or both"),
        (["--workers", "-1"], "--workers '-1': a whole number from 0"),
        (["--epochs", "0"], "--epochs '0': a whole number from 1"),
        (["--seeds", "x"], "--seeds 'x'"),
        (["--loaders", "sdpl"], "did you mean spdl?"),
        (["--workloads", "load", "--epochs", "2"], "--epochs applies to fit; these cases are of load"),
        (["--workloads", "load", "--test-each-epoch", "on"], "--test-each-epoch applies to fit"),
        (["--sizes", "32", "--workloads", "load"], "--sizes applies to train, infer, scale"),
        (["--workloads", "load", "--prefetch", "0"], "--prefetch '0': a whole number from 1"),
        (["--workloads", "load", "--gpu-copy", "pipd"], "did you mean piped?"),
        (["--workloads", "load", "--split", "vall"], "has no split 'vall', only train"),
        (["--workloads", "fit", "--split", "val"], "--split applies to load; these cases are of fit"),
    ],
)
def test_what_no_training_can_be_is_a_usage_error(
    tree: Path, argv: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", "--profile", "steps", "--frameworks", "fake", *argv], tree) == 2
    assert words in capsys.readouterr().err
