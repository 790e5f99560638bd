"""A run of the user's own model: what takes part, which options contradict it, and that its file stays the same."""

import dataclasses
from pathlib import Path

import pytest
from launcher_fakes import A, B, FakeEngine, case, ending, framework_tree, run_of
from tiny_onnx import tiny_onnx

from launcher.cli import main, read
from launcher.engines.engine import Outcome, Places
from launcher.errors import UsageError
from launcher.options import measured
from launcher.plan.discovery import Contestant
from launcher.plan.draft import Draft, draft
from launcher.plan.own_model import own_model
from launcher.run.folder import RunFolder, model_of, path_to_text
from launcher.run.replicate import Replicator
from launcher.run.resuming import resume
from launcher.stop import Ending, Stop
from method.schedule import run_schedule
from runners.harness.own_model import located
from runners.harness.record import Status
from runners.harness.run import PlannedCase, Run, RunState
from runners.harness.workload import Framework, Workload

MODELS = {"files": ("onnx", "function"), "functions": ("function",), "neither": ()}
"""The kinds of models that each framework loads."""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree with a profile."""
    return framework_tree(tmp_path_factory.mktemp("tree"))


@pytest.fixture(autouse=True)
def frameworks(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the tree's frameworks declare, without a process for each."""
    offers = {
        name: Workload(("only",), networks=("cnn4",), scopes=("compute",), models=kinds)
        for name, kinds in MODELS.items()
    }
    found = {name: Contestant(name, Framework(name, (), {"infer": offer})) for name, offer in offers.items()}
    monkeypatch.setattr("launcher.plan.draft.discover", lambda _root: found)


@pytest.fixture(scope="module")
def onnx(tree: Path) -> Path:
    return tiny_onnx(tree / "tiny.onnx", ("batch", 3, 8, 8))


def drafted(tree: Path, *words: str) -> Draft:
    return draft(tree, measured(read(["plan", "--profile", "tiny", *words], tree)))


def test_frameworks_that_load_the_model_compete_and_the_others_say_why_not(tree: Path, onnx: Path) -> None:
    [planned] = drafted(tree, "--model", str(onnx), "--batches", "4").cases
    assert [one.label for one in planned.competitors] == ["files/only"]
    assert {one.competitor.framework: one.reason for one in planned.unavailable} == {
        "functions": "does not load an ONNX file (of your own models it loads a function in a Python file)",
        "neither": "does not load an ONNX file (of your own models it loads none)",
    }
    assert planned.case.label == "infer own:tiny 3x8x8 batch 4 cpu"
    assert planned.case.model == located(str(onnx)).reference()
    assert planned.case.input_size is None


def test_a_function_needs_a_shape(tree: Path) -> None:
    (tree / "mine.py").write_text("")
    [planned] = drafted(tree, "--model", f"{tree}/mine.py:build", "--input-shape", "3, 8,8", "--batches", "4").cases
    assert [one.label for one in planned.competitors] == ["files/only", "functions/only"]
    assert planned.case.label == "infer own:mine.build 3x8x8 batch 4 cpu"


def test_models_of_one_name_are_different_cases(tree: Path, onnx: Path, tmp_path: Path) -> None:
    other = tiny_onnx(tmp_path / "tiny.onnx", ("batch", 3, 8, 8))
    other.write_bytes(other.read_bytes()[:-1] + bytes([20]))
    [one], [two] = (drafted(tree, "--model", str(path)).cases for path in (onnx, other))
    assert one.case.label == two.case.label
    assert one.case != two.case
    assert one.case.key != two.case.key


def test_a_fixed_batch_is_the_batch(tree: Path, tmp_path: Path) -> None:
    fixed = str(tiny_onnx(tmp_path / "fixed.onnx", (5, 3, 8, 8)))
    [planned] = drafted(tree, "--model", fixed).cases
    assert planned.case.batch_size == 5
    with pytest.raises(UsageError, match=r"made for a batch of 5; leave --batches out"):
        drafted(tree, "--model", fixed, "--batches", "5,8")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--networks cnn4", "--networks: not with --model"),
        ("--sizes 32", "--sizes: not with --model"),
        ("--workloads infer,train", "measured in infer only, not in train"),
        ("--precision bf16", "measured in fp32 or tf32"),
        ("--input-shape 3,9,9", "has the shape 3, 8, 8, not 3, 9, 9"),
        ("--input-shape a", "whole numbers separated by commas"),
        ("--model gone.onnx", "--model gone.onnx: cannot be read (No such file or directory)"),
        ("--frameworks functions", "functions: does not load an ONNX file"),
    ],
)
def test_options_that_contradict_the_model_are_refused(
    tree: Path, onnx: Path, capsys: pytest.CaptureFixture[str], words: str, said: str
) -> None:
    assert main(["plan", "--profile", "tiny", "--model", str(onnx), *words.split()], tree) == 2
    assert said in capsys.readouterr().err


def test_a_shape_without_a_model_is_refused(tree: Path) -> None:
    with pytest.raises(UsageError, match="only with --model"):
        own_model(measured(read(["plan", "--input-shape", "3,8,8"], tree)))


def test_a_network_of_the_name_of_a_model_is_unknown(tree: Path) -> None:
    with pytest.raises(UsageError, match="unknown network 'own:tiny'"):
        drafted(tree, "--networks", "own:tiny")


def own_run(path: Path) -> Run:
    model = located(str(path))
    own = case(network=model.network, input_size=None, input_shape="4", model=model.reference())
    run = run_of(PlannedCase(own, [A, B], 3), PlannedCase(case(), [A, B], 3))
    return dataclasses.replace(run, model=path_to_text(path))


def test_replicates_get_the_path_and_a_changed_file_makes_them_invalid(tmp_path: Path) -> None:
    path = tiny_onnx(tmp_path / "tïny.onnx")
    run, folder = own_run(path), RunFolder(tmp_path / "run")
    engine = FakeEngine(run, {B.label: ending(Outcome(Ending.EXITED, 2))})
    replicator = Replicator(folder, run, engine, {}, Stop())
    own, other = ([one for one in run_schedule(run) if one.case == number] for number in (0, 1))
    found = {one.competitor: replicator.measure(one) for one in own if one.block == 0}
    assert engine.jobs[0].model == located(str(path))
    assert Places("out", model=str(engine.jobs[0].model)).arguments()[:2] == ["--model", str(path)]
    assert found[B] is not None
    assert found[B][0].status is Status.FAILED
    path.write_bytes(path.read_bytes() + b"\0")
    [later] = [one for one in own if one.block == 1 and one.competitor == B]
    measured_later = replicator.measure(later)
    assert measured_later is not None
    assert measured_later[0].status is Status.INVALID
    assert measured_later[0].error is not None
    assert (measured_later[0].error.kind, "changed during the run" in measured_later[0].error.message) == (
        "MODEL",
        True,
    )
    replicator.measure(other[0])
    assert engine.jobs[-1].model is None


def test_a_run_whose_model_changed_is_not_resumed(tmp_path: Path, tree: Path) -> None:
    path = tiny_onnx(tmp_path / "tiny.onnx")
    run, folder = dataclasses.replace(own_run(path), state=RunState.INCOMPLETE), RunFolder(tmp_path / "run-1")
    folder.make()
    folder.write(run)
    options = measured(read(["plan"], tree))
    assert model_of(resume(folder, options).run) == located(str(path))
    path.unlink()
    with pytest.raises(UsageError, match=r"tiny\.onnx: it changed since run run-1 began, or is gone"):
        resume(folder, options)
