"""ENGINE=slurm-apptainer: how images are made and replicates run, with a fake apptainer."""

import hashlib
import io
import itertools
import json
import os
import sys
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from launcher_fakes import framework_tree

from launcher.build.images import source_digest
from launcher.build.sifs import FOLDER, SifBuilder
from launcher.cli import main
from launcher.engines.apptainer import ApptainerEngine
from launcher.engines.engine import Job, Limits
from launcher.engines.probe import prove
from launcher.errors import BuildFailed, NotReady, UsageError
from launcher.stop import Stop
from runners.harness.case import Competitor
from runners.harness.nvidia import Gpu
from runners.harness.own_model import OwnModel
from runners.harness.run import Build

NO_DOCKER = NotReady("no Docker engine here")
LIMITS = Limits(tuple(os.sched_getaffinity(0)), 2**30)

# Builds by copying the archive. Runs a command on this machine, with the folders of the container's paths.
APPTAINER = f"""#!{sys.executable}
import json, os, pathlib, sys
asked = pathlib.Path(sys.argv[0]).with_suffix(".asked")
with asked.open("a") as file:
    print(json.dumps([sys.argv[1:], dict(os.environ)]), file=file)
words = sys.argv[2:]
if sys.argv[1] == "build":
    if "fail" in os.environ.get("TEST_APPTAINER", ""):
        sys.exit("FATAL: no space")
    pathlib.Path(words[-2]).write_bytes(pathlib.Path(words[-1].partition(":")[2]).read_bytes())
    sys.exit(0)
places = {{}}
while words[0].startswith("--"):
    option = words.pop(0)
    if option in ("--home", "--bind", "--network", "--pwd"):
        value = words.pop(0)
        if option in ("--home", "--bind"):
            source, target = value.split(":")[:2]
            places[target] = os.path.realpath(source)
words = [places.get(word, word) for word in words[1:]]
at = words.index("python")
words[at] = sys.executable
os.environ["HOME"] = places["/tmp"]
os.execvp(words[0], words)
"""


@pytest.fixture
def apptainer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fake apptainer on PATH, which notes what it is asked."""
    folder = tmp_path / "bin"
    folder.mkdir()
    path = folder / "apptainer"
    path.write_text(APPTAINER)
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return path


def asked(apptainer: Path) -> list[tuple[list[str], dict[str, str]]]:
    return [(words, variables) for words, variables in map(json.loads, apptainer.with_suffix(".asked").open())]


def save(root: Path, archive: Path, **changes: Any) -> str:
    """Write what `docker save` would write of the fake framework's image; returns the image's id."""
    labels = {"levelfield.source": source_digest(root, "fake", "cpu", "")} | changes
    config = json.dumps({"config": {"Labels": labels}}).encode()
    image_id = hashlib.sha256(config).hexdigest()
    manifest = json.dumps([{"Config": f"{image_id}.json", "RepoTags": None, "Layers": []}]).encode()
    archive.parent.mkdir(exist_ok=True)
    with tarfile.open(archive, "w") as tar:
        for name, content in ((f"{image_id}.json", config), ("manifest.json", manifest)):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return f"sha256:{image_id}"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A fake framework, and the archive of its image, in a folder whose name would confuse --bind."""
    root = framework_tree(tmp_path / "a,b:c")
    save(root, root / FOLDER / "levelfield-fake_cpu.tar")
    return root


def builder(root: Path, images: Any = NO_DOCKER) -> SifBuilder:
    return SifBuilder(root, "cpu", Stop(), images)


def prepared(root: Path, limits: Limits = LIMITS) -> ApptainerEngine:
    engine = ApptainerEngine(root, builder(root), limits)
    engine.prepare("fake")
    return engine


def job_in(folder: Path, **changes: Any) -> Job:
    for name in ("records", "compiled"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    competitor = Competitor("fake", "only")
    places = folder / "records", folder / "compiled", folder / "log"
    return replace(Job("run-1", "id", competitor, ["infer"], [], *places, "cpu", 60.0), **changes)


def test_an_archive_becomes_an_image_that_runs_a_replicate(tree: Path, apptainer: Path) -> None:
    engine = prepared(tree)
    prove(engine, "fake", "cpu", LIMITS, Stop())
    (image,) = (tree / FOLDER).glob("*.sif")
    (built, _), (words, _) = asked(apptainer)
    assert built[0] == "build"
    assert built[-1] == f"docker-archive:{tree / FOLDER / 'levelfield-fake_cpu.tar'}"
    assert words[0] == "exec"
    for option in ("--containall", "--cleanenv", "--no-privs", "--network none", "--pwd /levelfield"):
        assert f" {option} " in " ".join(words)
    assert str(image) in words
    assert "--nv" not in words
    assert not [path for path in (tree / FOLDER).iterdir() if path.suffix == ".part"]


def test_a_record_names_the_docker_image_and_a_command_to_repeat_it(
    tree: Path, apptainer: Path, tmp_path: Path
) -> None:
    image_id = save(tree, tree / FOLDER / "levelfield-fake_cpu.tar")
    engine = prepared(tree)
    manifest, data = tmp_path / "m" / "manifest.json", tmp_path / "d"
    manifest.parent.mkdir()
    data.mkdir()
    engine.run(job_in(tmp_path / "x,y:z", manifest=manifest, data=data), Stop())
    words, _ = asked(apptainer)[-1]
    (facts,) = (json.loads(word.partition("=")[2]) for word in words if word.startswith("LEVELFIELD_PROVENANCE="))
    assert (facts["engine"], facts["image_id"]) == ("slurm-apptainer", image_id)
    by_hand = facts["command"]
    assert by_hand[:2] == ["apptainer", "exec"]
    assert f"{data}:/data:ro" in by_hand
    assert f"{manifest.parent}:/manifest:ro" in by_hand
    assert not any("/compiled" in word for word in by_hand)
    binds = [word for before, word in itertools.pairwise(words) if before == "--bind"]
    assert [word.partition(":")[2] for word in binds] == ["/results:rw", "/compiled:rw", "/data:ro", "/manifest:ro"]
    assert not any("," in word for word in binds), "a comma would begin another bind"


def test_a_user_s_own_model_is_mounted_read_only_and_named(tree: Path, apptainer: Path, tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    model = OwnModel(tmp_path / "m" / "mine.py", "build")
    prepared(tree).run(job_in(tmp_path, model=model), Stop())
    words, _ = asked(apptainer)[-1]
    binds = [word for before, word in itertools.pairwise(words) if before == "--bind"]
    assert "/model:ro" in [word.partition(":")[2] for word in binds]
    assert words[words.index("--model") + 1] == "/model/mine.py:build"


def test_variables_of_the_shell_change_nothing_in_the_container(
    tree: Path, apptainer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("APPTAINER_BIND", "APPTAINERENV_OMP_NUM_THREADS", "SINGULARITY_NV", "OMP_NUM_THREADS"):
        monkeypatch.setenv(name, "/etc")
    engine = prepared(tree)
    engine.run(job_in(tmp_path), Stop())
    words, variables = asked(apptainer)[-1]
    assert not [name for name in variables if "APPTAINER" in name or "SINGULARITY" in name or "OMP" in name]
    assert not [word for word in words if "OMP" in word]


def test_a_run_on_a_gpu_shows_the_run_s_gpu_alone(tree: Path, apptainer: Path, tmp_path: Path) -> None:
    gpu = Gpu("1", "GPU-bbbb2222", "GPU-bbbb2222", "B")
    prepared(tree, replace(LIMITS, gpu=gpu)).run(job_in(tmp_path), Stop())
    words, _ = asked(apptainer)[-1]
    assert "--nv" in words
    assert "CUDA_VISIBLE_DEVICES=GPU-bbbb2222" in words[words.index("env") :]


def test_an_image_is_made_once_and_again_after_a_change_of_sources(tree: Path, apptainer: Path) -> None:
    engine = prepared(tree)
    first = engine.prepare("fake")
    assert len(asked(apptainer)) == 1
    (tree / "runners" / "fake" / "more.py").write_text("")
    assert not engine.is_ready("fake")
    save(tree, tree / FOLDER / "levelfield-fake_cpu.tar")
    assert engine.prepare("fake") != first
    assert len(asked(apptainer)) == 2
    engine.restore("fake", first)
    with pytest.raises(UsageError, match="the image that the run began with is gone"):
        engine.restore("fake", Build("sha256:0"))


@pytest.mark.usefixtures("apptainer")
def test_an_archive_of_other_sources_is_refused(tree: Path) -> None:
    save(tree, tree / FOLDER / "levelfield-fake_cpu.tar", **{"levelfield.source": "0"})
    with pytest.raises(BuildFailed, match="made from other sources than these"):
        builder(tree).build("fake")


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x1f\x8b\x08\x00", b"\0" * 20480])
def test_something_else_than_an_archive_is_refused(tree: Path, content: bytes) -> None:
    (tree / FOLDER / "levelfield-fake_cpu.tar").write_bytes(content)
    with pytest.raises(BuildFailed, match="not an archive of `docker save`"):
        builder(tree).build("fake")


def test_without_docker_and_archive_it_is_said_where_to_make_one(tree: Path) -> None:
    (tree / FOLDER / "levelfield-fake_cpu.tar").unlink()
    with pytest.raises(
        BuildFailed, match=r"no Docker engine here.*docker save levelfield-fake:cpu -o levelfield-fake_cpu"
    ):
        builder(tree).build("fake")


@pytest.mark.usefixtures("apptainer")
def test_a_conversion_that_fails_leaves_nothing(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_APPTAINER", "fail")
    with pytest.raises(BuildFailed, match="apptainer could not make an image of it") as failed:
        builder(tree).build("fake")
    assert "no space" in failed.value.tail
    assert [path.name for path in (tree / FOLDER).iterdir()] == ["levelfield-fake_cpu.tar"]


class Images:
    """A builder of Docker images that has built one."""

    def build(self, _program: str) -> Build:
        """The image."""
        return Build("sha256:abc", "python@sha256:def")


def test_where_docker_answers_the_image_is_saved_from_there(tree: Path, apptainer: Path) -> None:
    docker = apptainer.with_name("docker")
    docker.write_text('#!/bin/sh\n[ "$1 $2 $4" = "save --output sha256:abc" ] && echo archive > "$3"\n')
    docker.chmod(0o755)
    made = builder(tree, Images()).build("fake")
    assert made == Build("sha256:abc", "python@sha256:def")
    assert sorted(path.suffix for path in (tree / FOLDER).iterdir()) == [".json", ".sif"]
    assert builder(tree).find("fake", made) is not None


@pytest.mark.parametrize(
    ("script", "said"),
    [("echo 'FATAL:   no user namespaces'; exit 255", "no user namespaces"), ("exit 255", "")],
)
def test_a_node_that_cannot_start_containers_ends_the_run(
    tree: Path, apptainer: Path, tmp_path: Path, script: str, said: str
) -> None:
    engine = prepared(tree)
    apptainer.write_text(f"#!/bin/sh\n{script}\n")
    if said:
        with pytest.raises(NotReady, match=f"apptainer cannot start a container: {said}"):
            engine.run(job_in(tmp_path), Stop())
    else:
        assert engine.run(job_in(tmp_path), Stop()).code == 255


def test_an_older_installation_is_called_singularity(tree: Path, apptainer: Path, tmp_path: Path) -> None:
    older = apptainer.rename(apptainer.with_name("singularity"))
    prepared(tree).run(job_in(tmp_path), Stop())
    assert [words[0] for words, _ in asked(older)] == ["build", "exec"]


def test_without_apptainer_the_engine_is_not_ready(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("sbatch", "squeue", "scancel", "sinfo"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    wanted = ["--profile", "tiny", "--engine", "slurm-apptainer"]
    assert main(["bench", *wanted], tree) == 3
    assert "no apptainer on" in capsys.readouterr().err
    assert main(["plan", *wanted], tree) == 0
    assert "cannot be carried out here: no apptainer on" in capsys.readouterr().out
