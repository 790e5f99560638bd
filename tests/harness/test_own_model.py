"""A user's own model: what is read from its file, what its function returns, and what goes wrong in a few words."""

import hashlib
import json
import os
import sys
import types
from pathlib import Path

import pytest
from tiny_onnx import tiny_onnx

from runners.harness.case import ModelRef
from runners.harness.cli import main
from runners.harness.own_code import built, explained
from runners.harness.own_model import ModelError, OwnModel, located
from runners.harness.record import Check
from runners.harness.workload import Framework, Seen, StepWork, Workload

FAKE = Framework(
    "fake", (), {"infer": Workload(("only",), networks=("cnn4",), scopes=("compute",), models=("onnx", "function"))}
)
QUICK = ("--warmup-steps", "1", "--min-steps", "2", "--max-steps", "2", "--min-seconds", "0", "--record-id", "one")


def test_an_onnx_file_tells_its_input_and_its_parameters(tmp_path: Path) -> None:
    model = located(str(tiny_onnx(tmp_path / "tiny.onnx")))
    assert (model.network, model.fixed_batch, model.input_shape("")) == ("own:tiny", None, "4")
    assert model.onnx.parameters == 12
    sum_of_file = hashlib.sha256(model.path.read_bytes()).hexdigest()
    assert model.reference() == ModelRef("onnx", f"sha256:{sum_of_file}", model.path.stat().st_size)


def test_the_digest_covers_weights_in_another_file(tmp_path: Path) -> None:
    model = located(str(tiny_onnx(tmp_path / "tiny.onnx", outside="w.bin")))
    before = model.reference()
    weights = bytearray((tmp_path / "w.bin").read_bytes())
    weights[0] ^= 1
    (tmp_path / "w.bin").write_bytes(weights)
    assert model.reference() != before
    (tmp_path / "w.bin").unlink()
    with pytest.raises(ModelError, match="weights is missing"):
        model.reference()


def test_weights_outside_the_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    model = located(str(tiny_onnx(tmp_path / "in" / "tiny.onnx", outside="../w.bin")))
    with pytest.raises(ModelError, match="must be in its own folder"):
        model.reference()


def test_open_dimensions_are_asked_for(tmp_path: Path) -> None:
    model = located(str(tiny_onnx(tmp_path / "open.onnx", (None, 3, "h", None))))
    with pytest.raises(ModelError, match=r"leaves the shape of its input open \(3, h, \?\).*--input-shape 3,224,224"):
        model.input_shape("")
    assert model.input_shape("3,32,16") == "3x32x16"
    with pytest.raises(ModelError, match="has the shape 3, h, \\?, not 1, 32, 32"):
        model.input_shape("1x32x32")
    assert located(str(tiny_onnx(tmp_path / "fixed.onnx", (8, 4)))).fixed_batch == 8


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"inputs": ("x", "z")}, r"2 inputs \(x, z\)"),
        ({"kind": 10}, "input is float16, and must be float32"),
        ({"shape": ("batch",)}, "no dimension but the batch"),
    ],
)
def test_a_model_of_another_form_is_refused(tmp_path: Path, changes: dict, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        located(str(tiny_onnx(tmp_path / "other.onnx", **changes))).input_shape("")


def test_no_damage_to_an_onnx_file_raises_anything_else(tmp_path: Path) -> None:
    whole = tiny_onnx(tmp_path / "whole.onnx").read_bytes()
    cut, refused = tmp_path / "cut.onnx", 0
    damaged = [whole[:end] for end in range(len(whole))]
    damaged += [whole[:at] + bytes([byte]) + whole[at + 1 :] for at in range(len(whole)) for byte in (0, 255)]
    damaged += [b"x" * 5000, b"\xff" * 5000, b"\0" * 5000]
    for data in damaged:
        cut.write_bytes(data)
        try:
            model = OwnModel(cut)
            model.input_shape("4")
            model.reference()
        except ModelError:
            refused += 1
    assert refused > len(whole)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gone.onnx", r"gone\.onnx: cannot be read \(No such file or directory\)"),
        ("folder.onnx", "is not a file"),
        ("model.pt", "must name an ONNX file"),
        ("there.py", r"which function in it\? For example .*there\.py:build"),
        ("there:build", r"did you mean .*there\.py:build\?"),
        ("there.py:not a name", "is not the name of a function"),
        ("there.py:class", "is not the name of a function"),
        ("link.onnx", "is a link to another folder"),
    ],
)
def test_a_wrong_name_is_refused_with_a_hint(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "folder.onnx").mkdir()
    (tmp_path / "there.py").write_text("")
    tiny_onnx(tmp_path / "folder.onnx" / "tiny.onnx")
    (tmp_path / "link.onnx").symlink_to(tmp_path / "folder.onnx" / "tiny.onnx")
    with pytest.raises(ModelError, match=words):
        located(str(tmp_path / name))


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.onnx")
    with pytest.raises(ModelError, match="is not a file"):
        located(str(tmp_path / "pipe.onnx"))


def test_the_name_is_harmless() -> None:
    assert OwnModel(Path("<b>a\n b|.onnx")).network == "own:_b_a_b_"
    assert len(OwnModel(Path("a" * 200 + ".py"), "f").network) < 70


@pytest.mark.parametrize("text", ["", "3;3", "0,3", "-1", "3,,3", "1,2,3,4,5,6", "99999,99999", "1e3", "٣"])
def test_a_wrong_shape_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "mine.py").write_text("")
    with pytest.raises(ModelError, match="input-shape"):
        located(f"{tmp_path}/mine.py:build").input_shape(text)


@pytest.fixture
def replicate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """replicate(source): the exit code and the record of a replicate whose function `build` this is."""

    def prepare(request):
        factor = built(request, float, "a number")
        seen = Seen("cpu", "fp32", request.threads, request.threads)
        check = Check(parameters=1, logits_sketch=[1 / factor])
        return StepWork(lambda: 1 / factor, lambda: None, 2, lambda: check, lambda: seen, lambda: None)

    def run(source: str) -> tuple[int, dict]:
        module = types.ModuleType("runners.fake.own_model")
        module.prepare = prepare
        monkeypatch.setitem(sys.modules, "runners.fake", types.ModuleType("runners.fake"))
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setattr(sys, "path", [*sys.path])
        (tmp_path / "mine.py").write_text(source)
        words = ["infer", "--model", f"{tmp_path}/mine.py:build", "--input-shape", "3,4,4", "--out", str(tmp_path)]
        code = main(FAKE, [*words, *QUICK])
        return code, json.loads((tmp_path / "one.json").read_text())

    return run


def test_a_record_holds_the_model_its_shape_and_why_its_cost_is_unknown(tmp_path: Path, replicate) -> None:
    (tmp_path / "sibling.py").write_text("TWO = 2.0\n")
    code, record = replicate("from sibling import TWO\ndef build(framework):\n    return TWO\n")
    assert (code, record["status"]) == (0, "ok")
    case = record["case"]
    assert (case["network"], case["input_shape"], case["input_size"]) == ("own:mine.build", "3x4x4", None)
    assert case["model"]["digest"] == f"sha256:{hashlib.sha256((tmp_path / 'mine.py').read_bytes()).hexdigest()}"
    assert record["check"]["parameters"] == 1
    assert record["samples"]["flops_per_step"] is None
    assert record["unknown"]["samples.flops_per_step"]


@pytest.mark.parametrize(
    ("body", "status", "kind", "words"),
    [
        (
            "return None",
            "unsupported",
            "UNSUPPORTED",
            "build('fake') in mine.py returned None: there is no model for fake",
        ),
        ("import nowhere", "unsupported", "UNSUPPORTED", "mine.py needs the package 'nowhere'"),
        ("raise ValueError('bo\\x1bom\\nx')", "failed", "MODEL", "raised ValueError: bo\\x1bom x (mine.py, line 2)"),
        ("raise SystemExit(0)", "failed", "MODEL", "build('fake') raised SystemExit: 0 (mine.py, line 2)"),
        ("return [1]", "failed", "MODEL", "build('fake') returned a list; fake takes a number"),
        ("return 0.0", "failed", "MODEL", "mine.py in fake raised ZeroDivisionError"),
        ("raise MemoryError", "oom", "OOM(host)", "Python could not allocate memory"),
    ],
)
def test_what_goes_wrong_in_the_users_code_is_said_in_a_line(
    replicate, capsys: pytest.CaptureFixture[str], body: str, status: str, kind: str, words: str
) -> None:
    code, record = replicate(f"def build(framework):\n    {body}\n")
    assert (code, record["status"], record["error"]["kind"]) == (1, status, kind)
    assert words in record["error"]["message"]
    assert "Traceback" not in capsys.readouterr().err


def test_a_file_that_does_not_compile_and_a_function_that_is_missing(replicate) -> None:
    assert "raised SyntaxError" in replicate("def build(:")[1]["error"]["message"]
    assert "raised AttributeError" in replicate("x = 1")[1]["error"]["message"]
    assert "takes 0 positional arguments" in replicate("def build():\n    return 1.0")[1]["error"]["message"]


def test_an_error_that_is_no_fault_of_the_model_stays_as_it_is() -> None:
    error = MemoryError()
    assert explained(error, OwnModel(Path("mine.py"), "build"), "fake") is error


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--input-shape 3,4,4", "are for your own model"),
        ("--network own:x", "are for your own model"),
        ("--model {tiny} --network cnn4", "leave out --network"),
        ("--model {tiny} --input-size 32", "leave out --network and --input-size"),
        ("--model {tiny} --precision bf16", "measured in fp32 or tf32"),
        ("--model {fixed} --batch-size 3", "made for a batch of 8"),
        ("--model {tiny}x", "must name an ONNX file"),
    ],
)
def test_a_command_line_that_makes_no_sense_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: str, said: str
) -> None:
    files = {"tiny": tiny_onnx(tmp_path / "tiny.onnx"), "fixed": tiny_onnx(tmp_path / "fixed.onnx", (8, 4))}
    with pytest.raises(SystemExit) as ended:
        main(FAKE, ["infer", *words.format(**files).split(), "--out", str(tmp_path)])
    assert ended.value.code == 2
    assert said in capsys.readouterr().err
