"""The Docker engine with real containers and a fake framework in a tiny image."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import docker
import pytest
from launcher_fakes import REPOSITORY, framework_tree, keeping_compiled_code

from launcher.build.images import ImageBuilder
from launcher.cli import main, read
from launcher.engines.connection import connect
from launcher.engines.docker import LAUNCHER_LABEL, RUN_LABEL, DockerEngine
from launcher.engines.engine import Limits
from launcher.engines.facts import RUNTIME
from launcher.engines.log import MOST_BYTES
from launcher.engines.probe import prove
from launcher.errors import BuildFailed, NotReady
from launcher.options import measured
from launcher.ownership.owner import this_launcher
from launcher.plan.draft import draft
from launcher.stop import Stop
from method.schedule import Entry, schedule
from runners.harness.host import memory_bytes
from runners.harness.manifest import Item, Manifest, write_manifest
from runners.harness.nvidia import Gpu

pytestmark = [pytest.mark.docker, pytest.mark.timeout(180)]

BASE = "python:3.11-slim-bookworm"
DOCKERFILE = """
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
RUN useradd --uid 1000 levelfield
WORKDIR /levelfield
ENTRYPOINT ["python", "-m", "runners.fake"]
COPY runners runners
USER levelfield
"""


@pytest.fixture(scope="module")
def client() -> docker.DockerClient:
    try:
        found = connect()
        found.images.get(BASE)
    except NotReady as error:
        pytest.skip(str(error))
    except docker.errors.ImageNotFound:
        pytest.skip(f"the engine has no {BASE}")
    return found


@pytest.fixture(autouse=True)
def image(client: docker.DockerClient) -> Iterator[None]:
    before = {one.id for one in client.images.list()}
    yield
    for one in client.images.list():
        if one.id not in before and all(name.startswith("levelfield-fake:") for name in one.tags):
            client.images.remove(one.id, force=True)


def tree_with(tmp_path: Path, body: str = "") -> Path:
    tree = framework_tree(tmp_path / "tree", body=body)
    (tree / "images" / "Dockerfile").write_text(DOCKERFILE)
    (tree / "aggregator").mkdir(exist_ok=True)
    (tree / "aggregator" / "__main__.py").write_text("import sys; open(sys.argv[2] + '/report.html', 'w').close()\n")
    return tree


def bench(tree: Path, *more: str) -> int:
    return main(["bench", "--profile", "tiny", "--engine", "docker", "--memory", "1", *more], tree)


def record_of(tree: Path) -> dict[str, Any]:
    first = sorted(tree.glob("results/*/records/*.json"))[0]
    return json.loads(first.read_bytes())


def left_over(client: docker.DockerClient) -> list[str]:
    mine_only = [str(this_launcher())]
    return [
        one.id
        for one in client.containers.list(all=True, filters={"label": LAUNCHER_LABEL})
        if one.labels[LAUNCHER_LABEL] in mine_only
    ]


def test_a_framework_is_built_run_and_recorded(tmp_path: Path, client: docker.DockerClient) -> None:
    tree = tree_with(tmp_path)
    assert bench(tree) == 0
    record = record_of(tree)
    assert record["status"] == "ok"
    assert record["host"]["engine"] == "docker"
    assert record["host"]["image_id"] == client.images.get("levelfield-fake:cpu").id
    assert record["host"]["image_base_digest"]
    assert record["command"][:2] == ["docker", "run"]
    assert not left_over(client)


def test_the_command_in_a_record_runs_by_hand(tmp_path: Path) -> None:
    tree = tree_with(tmp_path)
    assert bench(tree, "--blocks", "1") == 0
    again = subprocess.run(record_of(tree)["command"], capture_output=True, check=False)
    assert again.returncode == 0, again.stderr
    assert len(list(tree.glob("results/*/records/*.json"))) == 2


def test_containers_of_a_run_share_what_they_compiled(tmp_path: Path) -> None:
    tree = keeping_compiled_code(tree_with(tmp_path))
    assert bench(tree) == 0
    found = [json.loads(path.read_bytes()) for path in sorted(tree.glob("results/*/records/*.json"))]
    assert [record["samples"]["compiler_cache"] for record in found] == ["cold", "warm"]
    assert not any("/compiled" in word for record in found for word in record["command"])
    assert not list(tree.glob("results/*/compiled"))


VERSIONED = """
ARG FRAMEWORK_VERSION=
RUN cd $(python -c 'import site; print(site.getsitepackages()[0])') \\
 && mkdir fakelib.dist-info \\
 && printf 'Metadata-Version: 2.1\\nName: fakelib\\nVersion: %s\\n' ${FRAMEWORK_VERSION:-2.0} \\
  > fakelib.dist-info/METADATA
USER levelfield
"""


def test_a_flood_of_output_leaves_a_small_log(tmp_path: Path) -> None:
    tree = tree_with(tmp_path, "for _ in range(400): os.write(1, b'flood of output ' * 2**12)")
    assert bench(tree, "--blocks", "1") == 0
    (log,) = tree.glob("results/*/logs/*.log")
    assert log.stat().st_size <= MOST_BYTES
    assert b" bytes cut here]\n" in log.read_bytes()


def test_two_versions_of_a_framework_have_an_image_each(tmp_path: Path, client: docker.DockerClient) -> None:
    tree = tree_with(tmp_path)
    folder = tree / "images" / "fake"
    (tree / "images" / "Dockerfile").write_text(DOCKERFILE.replace("USER levelfield\n", "") + VERSIONED)
    (folder / "requirements-version.txt").write_text("fakelib==${FRAMEWORK_VERSION}\n")
    declaration = tree / "runners" / "fake" / "framework.py"
    declaration.write_text(declaration.read_text().replace("'fake', ()", "'fake', ('fakelib',)"))
    runner = tree / "runners" / "fake" / "infer.py"
    evidence = 'Check(trainable=1, non_trainable=0, weights_digest="sha256:0", logits_sketch=[1.0])'
    runner.write_text(runner.read_text().replace("Check(trainable=1)", evidence))
    assert bench(tree, "--blocks", "1", "--frameworks", "fake,fake@1.0") == 0
    found = [json.loads(path.read_bytes()) for path in sorted(tree.glob("results/*/records/*.json"))]
    names = {one["competitor"]["version"]: one["host"]["packages"]["fakelib"] for one in found}
    assert names == {"": "2.0", "1.0": "1.0"}
    images = {one["competitor"]["version"]: one["host"]["image_id"] for one in found}
    assert images == {
        "": client.images.get("levelfield-fake:cpu").id,
        "1.0": client.images.get("levelfield-fake:cpu-1.0").id,
    }


OWN_MODEL = """
from pathlib import Path
from runners.fake.infer import prepare as plain
from runners.harness.own_code import built


def prepare(request):
    assert built(request, float, "a number") == 2.0
    try:
        Path(request.model.path.parent, "written").write_text("")
    except OSError:
        return plain(request)
    raise AssertionError("the folder of the model is writable")
"""


def test_the_users_own_model_is_read_with_its_folder_whatever_that_is_called(tmp_path: Path) -> None:
    tree = tree_with(tmp_path)
    declaration = tree / "runners" / "fake" / "framework.py"
    declaration.write_text(declaration.read_text().replace("scopes=", "models=('function',), scopes="))
    (tree / "runners" / "fake" / "own_model.py").write_text(OWN_MODEL)
    folder = tmp_path / os.fsdecode(b"my \xff models")
    folder.mkdir()
    (folder / "sibling.py").write_text("TWO = 2.0\n")
    (folder / "m\u00f6del.py").write_text("from sibling import TWO\ndef build(framework): return TWO\n")
    assert bench(tree, "--blocks", "1", "--model", f"{folder}/m\u00f6del.py:build", "--input-shape", "3,4,4") == 0
    [record] = [json.loads(path.read_bytes()) for path in tree.glob("results/*/records/*.json")]
    assert (record["status"], record["case"]["network"]) == ("ok", "own:m_del.build")
    assert "/model/m\u00f6del.py:build" in record["command"]


HARDENED = """
import urllib.request
problems = []
def must_fail(what, act):
    try:
        act()
    except OSError:
        return
    problems.append(what)
must_fail('root file system is writable', lambda: open('/levelfield/x', 'w'))
must_fail('there is a network', lambda: socket.create_connection(('192.0.2.1', 80), 0.5))
if os.getuid() == 0: problems.append('is root')
status = dict(line.split(None, 1) for line in open('/proc/self/status') if len(line.split()) > 1)
if int(status['CapEff:'], 16): problems.append('has capabilities')
if int(status['NoNewPrivs:']) != 1: problems.append('may gain privileges')
if os.listdir('/sys/class/net') != ['lo']: problems.append('has a network card')
if os.getpid() == 1: problems.append('is the first process')
if len(os.sched_getaffinity(0)) != 1: problems.append('sees other CPUs')
shm = os.statvfs('/dev/shm')
if shm.f_blocks * shm.f_frsize != 3 * 2**29: problems.append('has another /dev/shm')
if problems: raise RuntimeError(', '.join(problems))
"""


def test_a_container_is_hardened(tmp_path: Path) -> None:
    tree = tree_with(tmp_path, f"exec({HARDENED!r}, globals())")
    code = bench(tree, "--blocks", "1", "--cpus", "0", "--shm", "1.5")
    record = record_of(tree)
    assert (record["status"], record["error"], code) == ("ok", None, 0)


WORKER = (
    "import multiprocessing; w = multiprocessing.get_context('fork').Process(target=lambda: {});"
    "w.start(); w.join(); raise RuntimeError('worker gone')"
)


@pytest.mark.parametrize(
    ("body", "status", "kind", "words"),
    [
        (
            "x = bytearray(3 * 2**30); [x.__setitem__(i, 1) for i in range(0, len(x), 4096)]",
            "oom",
            "OOM(host)",
            "1.0 GiB",
        ),
        (WORKER.format("bytearray(b'x') * (3 * 2**30)"), "oom", "OOM(host)", "memory"),
        (WORKER.format("os.kill(os.getpid(), 9)"), "crashed", "CRASH(SIGKILL)", "a worker process died by SIGKILL"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "crashed", "CRASH(SIGSEGV)", "SIGSEGV"),
        ("os.kill(os.getpid(), signal.SIGABRT)", "crashed", "CRASH(SIGABRT)", "SIGABRT"),
        ("os.kill(os.getpid(), signal.SIGBUS)", "crashed", "SHM", "SHM=GiB"),
        ("signal.signal(signal.SIGTERM, signal.SIG_DFL); time.sleep(600)", "timeout", "TIMEOUT", "6 s"),
    ],
)
def test_a_container_that_dies_becomes_a_dash_with_its_reason(
    tmp_path: Path, client: docker.DockerClient, body: str, status: str, kind: str, words: str
) -> None:
    tree = tree_with(tmp_path, body)
    assert bench(tree, "--timeout", "6") == 1
    record = record_of(tree)
    assert (record["status"], record["error"]["kind"]) == (status, kind)
    assert words in record["error"]["message"]
    assert len(list(tree.glob("results/*/records/*.json"))) == 1
    assert not left_over(client)


def test_what_the_limit_killed_is_not_tried_with_a_larger_batch(tmp_path: Path) -> None:
    """64 MiB an image under a limit of 1 GiB: 1 and 8 fit, 32 is killed by the kernel, 128 is never started."""
    body = (
        "size = int(sys.argv[sys.argv.index('--batch-size') + 1]) * 2**26;"
        "x = bytearray(size); [x.__setitem__(i, 1) for i in range(0, size, 4096)]"
    )
    tree = tree_with(tmp_path, body)
    profile = tree / "profiles" / "tiny.toml"
    profile.write_text(profile.read_text().replace("batch_size = 4", "batch_size = [1, 8, 32, 128]"))
    assert bench(tree, "--seed", str(seed_with_32_before_128(tree))) == 1
    (run,) = (path.parent for path in tree.glob("results/*/run.json"))
    found = [json.loads(path.read_bytes()) for path in (run / "records").glob("*.json")]
    ended = sorted((one["case"]["batch_size"], one["status"]) for one in found)
    assert ended == [(1, "ok"), (1, "ok"), (8, "ok"), (8, "ok"), (32, "oom")]
    cases = json.loads((run / "run.json").read_bytes())["cases"]
    (reason,) = (one for case in cases for one in case["unavailable"])
    assert (reason["kind"], reason["reason"]) == ("NOT TRIED", "not tried (32 ran out of memory)")


def seed_with_32_before_128(tree: Path) -> int:
    options = measured(read(["plan", "--profile", "tiny"], tree))
    cases = draft(tree, options).cases
    entries = [Entry(one.case.key, one.competitors, one.blocks) for one in cases]
    for seed in range(100):
        order = [cases[one.case].case.batch_size for one in schedule(entries, seed) if one.block == 0]
        if order.index(32) < order.index(128):
            return seed
    raise AssertionError("no such seed")


def test_a_container_has_as_much_shared_memory_as_linux_gives_a_machine(tmp_path: Path) -> None:
    tree = tree_with(tmp_path)
    assert bench(tree, "--blocks", "1") == 0
    assert record_of(tree)["effective"]["shm_bytes"] == pytest.approx(memory_bytes() / 2, rel=1e-3)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("pass", None),
        (f"exec({HARDENED!r}.replace('3 * 2**29', '2**28'), globals())", None),
        ("raise RuntimeError('no kernel image')", "ERROR: RuntimeError: no kernel image"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", r"CRASH\(SIGSEGV\)"),
    ],
)
def test_a_program_proves_itself_in_a_replicate_s_container(
    tmp_path: Path, client: docker.DockerClient, body: str, words: str | None
) -> None:
    tree, stop = tree_with(tmp_path, body), Stop()
    limits = Limits((0,), 2**30, 2**28)
    engine = DockerEngine(client, ImageBuilder(tree, client, "cpu", stop), limits, "cpu")
    engine.prepare("fake")
    if words is None:
        prove(engine, "fake", "cpu", limits, stop)
    else:
        with pytest.raises(BuildFailed, match=words):
            prove(engine, "fake", "cpu", limits, stop)
    assert not left_over(client)


def test_an_engine_without_the_toolkit_cannot_start_a_replicate_on_a_gpu(
    tmp_path: Path, client: docker.DockerClient
) -> None:
    if RUNTIME in client.info()["Runtimes"]:
        pytest.skip("this engine has the toolkit")
    tree, stop = tree_with(tmp_path), Stop()
    limits = Limits((0,), 2**30, 2**28, Gpu("0", "GPU-12ab", "GPU-12ab", "card"))
    engine = DockerEngine(client, ImageBuilder(tree, client, "gpu", stop), limits, "gpu")
    engine.prepare("fake")
    with pytest.raises(NotReady, match=r"NVIDIA Container Toolkit.*could not select device driver"):
        prove(engine, "fake", "gpu", limits, stop)
    assert not left_over(client)


def test_an_image_that_does_not_build_is_a_dash(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    tree = tree_with(tmp_path)
    dockerfile = tree / "images" / "Dockerfile"
    dockerfile.write_text(dockerfile.read_text() + "RUN echo the reason is here && false\n")
    assert bench(tree) == 1
    assert "the reason is here" in capfd.readouterr().err
    (run,) = tree.glob("results/*/run.json")
    (unavailable,) = json.loads(run.read_bytes())["cases"][0]["unavailable"]
    assert unavailable["kind"] == "BUILD"
    assert not list(tree.glob("results/*/records/*.json"))


def test_an_image_is_built_once_until_its_sources_change(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    tree = tree_with(tmp_path)
    images = ["images", "--engine", "docker"]
    assert main(images, tree) == 0
    assert "building" in capfd.readouterr().err
    assert main(images, tree) == 0
    assert "building" not in capfd.readouterr().err
    (tree / "runners" / "fake" / "infer.py").open("a").write("# changed\n")
    assert main(images, tree) == 0
    assert "building" in capfd.readouterr().err


def test_a_run_goes_on_with_the_image_it_began_with(
    tmp_path: Path, client: docker.DockerClient, capfd: pytest.CaptureFixture[str]
) -> None:
    tree = tree_with(tmp_path)
    assert bench(tree) == 0
    image = record_of(tree)["host"]["image_id"]
    (run,) = (path.parent for path in tree.glob("results/*/run.json"))
    (run / "records" / "c000-b001-fake.only.json").unlink()
    (tree / "runners" / "fake" / "infer.py").open("a").write("# changed\n")
    assert main(["images", "--engine", "docker"], tree) == 0
    assert client.images.get("levelfield-fake:cpu").id != image
    assert main(["bench", "--run", run.name], tree) == 0
    assert {json.loads(path.read_bytes())["host"]["image_id"] for path in (run / "records").iterdir()} == {image}
    (run / "records" / "c000-b001-fake.only.json").unlink()
    client.images.remove(image, force=True)
    assert main(["bench", "--run", run.name], tree) == 2
    assert "is gone" in capfd.readouterr().err


def test_containers_of_a_dead_launcher_are_removed_and_others_stay(tmp_path: Path, client: docker.DockerClient) -> None:
    me = this_launcher()
    dead = replace(me, start=me.start + 1)
    elsewhere = replace(dead, host="another-machine", boot="0")
    inside = replace(dead, namespace="1")
    made = [
        client.containers.run(BASE, ["sleep", "300"], detach=True, labels={LAUNCHER_LABEL: str(owner), RUN_LABEL: "x"})
        for owner in (dead, elsewhere, inside, me)
    ]
    try:
        assert main(["clean", "--out", str(tmp_path)], tmp_path) == 0
        left = {one.id for one in client.containers.list(all=True)}
        assert [one.id in left for one in made] == [False, True, True, True]
    finally:
        for one in made[1:]:
            one.remove(force=True)


def test_a_run_without_containers_removes_those_of_a_dead_launcher(tmp_path: Path, client: docker.DockerClient) -> None:
    me = this_launcher()
    dead = replace(me, start=me.start + 1)
    made = client.containers.run(BASE, ["sleep", "300"], detach=True, labels={LAUNCHER_LABEL: str(dead)})
    main(["bench", "--profile", "tiny", "--engine", "venv", "--blocks", "1"], tree_with(tmp_path))
    assert made.id not in {one.id for one in client.containers.list(all=True)}


@pytest.mark.skipif(os.getuid() != 0, reason="only root may give files away")
def test_for_root_a_container_is_the_owner_of_data_that_only_they_may_read(tmp_path: Path) -> None:
    tree = loading_tree(tmp_path)
    folder = write_data(tmp_path / "data")
    for path in (folder, *folder.rglob("*")):
        if path.suffix == ".jpg":
            path.chmod(0o600)
        os.chown(path, 4711, 4711)
    assert bench(tree, "--data", str(folder)) == 0
    assert record_of(tree)["status"] == "ok"


@pytest.mark.parametrize("patient", [True, False])
def test_an_interrupted_run_leaves_no_container(tmp_path: Path, client: docker.DockerClient, patient: bool) -> None:
    body = "time.sleep(600)" if patient else "signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    tree = tree_with(tmp_path, body)
    assert main(["images", "--engine", "docker"], tree) == 0
    script = (
        "import sys; from pathlib import Path; from launcher.cli import main;"
        "sys.exit(main(['bench', '--profile', 'tiny', '--engine', 'docker'], Path(sys.argv[1])))"
    )
    launcher = subprocess.Popen([sys.executable, "-c", script, str(tree)], cwd=REPOSITORY, start_new_session=True)
    containers = containers_of(client, launcher.pid)
    launcher.send_signal(signal.SIGINT)
    if not patient:
        os.kill(launcher.pid, 0)
        time.sleep(1)
        launcher.send_signal(signal.SIGINT)
    assert launcher.wait(timeout=60) == 130
    left = {one.id for one in client.containers.list(all=True)}
    assert not containers & left


def containers_of(client: docker.DockerClient, pid: int) -> set[str]:
    for _ in range(200):
        found = client.containers.list(filters={"label": LAUNCHER_LABEL})
        running = {one.id for one in found if f"/{pid}/" in one.labels[LAUNCHER_LABEL]}
        if running:
            time.sleep(1)
            return running
        time.sleep(0.1)
    raise AssertionError("no container came up")


def test_names_with_spaces_and_without_utf8_reach_the_container(tmp_path: Path) -> None:
    tree = loading_tree(tmp_path)
    folder = write_data(Path(os.fsdecode(os.fsencode(tmp_path) + b"/odd \xff name, here")))
    assert bench(tree, "--data", str(folder)) == 0
    assert record_of(tree)["case"]["dataset"]["items"] == 1


def write_data(folder: Path) -> Path:
    (folder / "train" / "a").mkdir(parents=True)
    (folder / "train" / "a" / "0.jpg").write_bytes(b"x")
    item = Item("train/a/0.jpg", 0, 1, "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881", 1, 1)
    write_manifest(Manifest("odd", "folder", None, ("a",), {"train": (item,)}), folder)
    return folder


def loading_tree(tmp_path: Path) -> Path:
    tree = tree_with(tmp_path)
    framework = tree / "runners" / "fake" / "framework.py"
    text = framework.read_text().replace(
        "networks=('cnn4',), scopes=('compute',)", "loaders=('slow',), stages=('batch',)"
    )
    framework.write_text(text.replace("'infer'", "'load'"))
    (tree / "runners" / "fake" / "infer.py").rename(tree / "runners" / "fake" / "load.py")
    (tree / "profiles" / "tiny.toml").write_text(
        "description = ''\nblocks = 1\n[sampling]\nmin_steps = 1\nmin_seconds = 0\n"
        "[[cases]]\nworkload = 'load'\nbatch_size = 1\n"
    )
    return tree
