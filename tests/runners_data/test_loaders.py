"""Every loader, variant and stage on images of every kind, in the frameworks' own Pythons."""

import numpy as np
import pytest
from data_images import describe, write_kinds
from needs import ROOT, frameworks
from PIL import Image

from launcher.plan.discovery import discover
from runners.harness.case import PIPED
from runners.reference.pixels import MEAN_ALLOWED, WORST_ALLOWED

pytestmark = [pytest.mark.full, pytest.mark.timeout(400)]
NEEDS_UNLOCKED_PYTHON = "torch_threads"
NEEDS_A_GPU = "nvjpeg"
LOADERS = {
    name: tuple(
        loader
        for loader in found.declaration.workloads["load"].every_loader
        if loader not in (NEEDS_UNLOCKED_PYTHON, NEEDS_A_GPU)
    )
    for name, found in discover(ROOT).items()
    if found.declaration and "load" in found.declaration.workloads
}
ALL = [
    pytest.param(framework, loader, marks=pytest.mark.frameworks(framework))
    for framework, loaders in LOADERS.items()
    for loader in loaders
]
TRANSFERRED = [loader for loader in ALL if loader.values[0] != "dali"]
"""The loaders that a stand-in lets copy from the host to the host. DALI copies inside its own pipeline."""
IN_THREADS = pytest.param("pytorch", NEEDS_UNLOCKED_PYTHON, marks=pytest.mark.frameworks("pytorch"))
PREFETCHING = [
    loader
    for loader in [*ALL, IN_THREADS]
    if "prefetch" in discover(ROOT)[loader.values[0]].declaration.workloads["load"].takes
]
"""The loaders whose queue a case may choose."""
PIPING = [
    loader for loader in ALL if PIPED in discover(ROOT)[loader.values[0]].declaration.workloads["load"].gpu_copies
]
"""The loaders of frameworks that know pipelines which copy to the GPU."""
KINDS = 8
WATCHED = 4 * 4
"""Batches of three images: four times as many as two workers may hold ready."""
PIPELINES = {
    "torch/plain": {"decode": (2, 1), "batch": (2, 3), "normalize": (2, 1)},
    "torch/tuned": {"decode": (2, 1), "batch": (2, 3), "normalize": (1, 3)},
    "spdl/plain": {"decode": (2, 1), "batch": (1, 3), "normalize": (1, 3)},
    "spdl/tuned": {"decode": (2, 3), "batch": (2, 3), "normalize": (2, 3)},
    "spdl_process/plain": {"decode": (2, 1), "batch": (1, 3), "normalize": (1, 3)},
    "spdl_process/tuned": {"decode": (2, 3), "batch": (2, 3), "normalize": (1, 3)},
    "tfdata/plain": {"decode": (2, 1), "normalize and batch": (2, 3)},
    "tfdata/tuned": {"decode and batch": (2, 3), "normalize": (2, 3)},
    "grain/plain": {"decode": (2, 1), "batch": (2, 3), "normalize": (2, 1)},
    "grain/tuned": {"decode": (2, 1), "batch": (2, 3), "normalize": (1, 3)},
    "dali/plain": {},
    "dali/tuned": {},
}
"""How many tasks may run at once, and how many images a task handles."""
ALIKE = {"opencv": "torch", "webdataset": "torch", "tfrecord": "tfdata"}
PIPELINES |= {
    f"{one}/{variant}": PIPELINES[f"{same}/{variant}"] for one, same in ALIKE.items() for variant in ("plain", "tuned")
}


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    names = write_kinds(root / "all" / "a class")
    return describe(root, root, {"all": [(f"all/a class/{name}", 0) for name in names]})


@pytest.fixture(scope="module")
def outcomes(probe, manifest):
    found = {}

    def of(framework: str, sabotage: str = "") -> dict:
        key = framework, sabotage
        if key not in found:
            found[key] = probe(framework, "probe_load.py", str(manifest), sabotage)
        return found[key]

    return of


@pytest.mark.parametrize(("framework", "loader"), ALL)
@pytest.mark.parametrize("variant", ["plain", "tuned"])
@pytest.mark.parametrize("stage", ["decode", "batch", "normalize"])
def test_a_loader_delivers_every_image_once_with_the_reference_pixels(outcomes, framework, loader, variant, stage):
    seen = outcomes(framework)[f"{loader}/{variant}/{stage}"]
    assert seen.get("message") is None
    assert seen["items"] == KINDS
    assert seen["mean"] <= MEAN_ALLOWED
    assert seen["worst"] <= WORST_ALLOWED


@pytest.mark.parametrize(("framework", "loader"), ALL)
@pytest.mark.parametrize("variant", ["plain", "tuned"])
def test_the_stream_has_no_partial_batch_and_no_end(outcomes, framework, loader, variant):
    assert outcomes(framework)[f"{loader}/{variant}/batch"]["sizes"] == [3] * 7


@pytest.mark.parametrize(("framework", "loader"), ALL)
@pytest.mark.parametrize("variant", ["plain", "tuned"])
def test_each_stage_delivers_its_type_and_shape(outcomes, framework, loader, variant):
    seen = {stage: outcomes(framework)[f"{loader}/{variant}/{stage}"] for stage in ("decode", "batch", "normalize")}
    assert [seen[stage]["stacked"] for stage in seen] == [False, True, True]
    assert [seen[stage]["dtype"] for stage in seen] == ["uint8", "uint8", "float32"]
    last = [3, 224, 224] if framework == "pytorch" else [224, 224, 3]
    assert seen["normalize"]["shape"] == last
    passes = {"first_batch": 3, "close": None, "epoch": KINDS, "second_epoch": KINDS, "cold_epoch": KINDS}
    limits = {"decode_alone": KINDS, "read_cold": KINDS, "headspace": 20 * 4 * 3, "observed": WATCHED * 3}
    assert seen["normalize"]["stages"] == passes | limits
    assert set(seen["normalize"]["refused"]) <= {"cold_epoch", "read_cold"}
    assert seen["normalize"]["queue"] == [2, 4]


@pytest.mark.parametrize(("framework", "loader"), ALL)
@pytest.mark.parametrize("variant", ["plain", "tuned"])
def test_the_stages_of_a_loader_s_pipeline_have_statistics(outcomes, framework, loader, variant):
    pipeline = outcomes(framework)[f"{loader}/{variant}/normalize"]["pipeline"]
    expected = PIPELINES[f"{loader}/{variant}"]
    assert {name: workers for name, workers, _, _ in pipeline} == {name: most for name, (most, _) in expected.items()}
    for name, _, tasks, busy_ns in pipeline:
        # Tasks that began earlier, and ready batches that were not taken, may change the count by a few queues.
        assert abs(tasks * expected[name][1] - 3 * WATCHED) < 3 * (WATCHED if loader == "spdl_process" else 8), name
        assert busy_ns > 0, name


@pytest.mark.parametrize(("framework", "loader"), TRANSFERRED)
@pytest.mark.parametrize("variant", ["plain", "tuned"])
def test_a_transfer_delivers_the_images_of_the_stage_before_it(outcomes, framework, loader, variant):
    seen = outcomes(framework, "transfer")[f"{loader}/{variant}/transfer"]
    before = outcomes(framework)[f"{loader}/{variant}/normalize"]
    same = ("sizes", "shape", "dtype", "stacked", "items", "mean", "worst", "digest", "stages", "queue")
    assert {name: seen.get(name) for name in same} == {name: before[name] for name in same}
    watched = [entry[:2] for entry in seen["pipeline"]]
    # tf.data's model knows no copies, and nobody sees those of Grain's threads.
    own_clock = [] if loader in ("tfdata", "tfrecord") or (loader, variant) == ("grain", "tuned") else [["transfer", 1]]
    assert watched == [entry[:2] for entry in before["pipeline"]] + own_clock
    assert abs(seen["pipeline"][-1][2] - WATCHED) < 8


@pytest.mark.frameworks("pytorch")
@pytest.mark.parametrize("loader", LOADERS.get("pytorch", ()))
def test_only_a_tuned_transfer_goes_on_while_the_loader_works(outcomes, loader):
    plain, tuned = (outcomes("pytorch", "transfer")[f"{loader}/{variant}/transfer"] for variant in ("plain", "tuned"))
    assert (plain["copies_under_way"], plain["spdl_copiers"]) == (0, [])
    by_itself = loader.startswith("spdl")
    assert (tuned["copies_under_way"], tuned["spdl_copiers"]) == ((0, ["copier_0"]) if by_itself else (1, []))


@pytest.mark.parametrize(("framework", "loader"), PIPING)
@pytest.mark.parametrize("variant", ["plain", "tuned"])
def test_a_piped_copy_is_a_stage_of_the_pipeline_or_unsupported(outcomes, framework, loader, variant):
    seen = outcomes(framework, "piped")[f"{loader}/{variant}/transfer"]
    if loader in ("torch", "opencv", "webdataset"):
        assert (seen["kind"], seen["message"]) == (
            "UNSUPPORTED",
            f"gpu_copy piped: the pipeline of {loader} has no stage that copies",
        )
        assert seen["packed"] == []
        return
    before = outcomes(framework)[f"{loader}/{variant}/normalize"]
    same = ("sizes", "shape", "dtype", "stacked", "items", "mean", "worst", "digest", "stages", "queue")
    assert {name: seen.get(name) for name in same} == {name: before[name] for name in same}
    assert seen["settings"]["copied_by"] == "pipeline"
    if framework == "pytorch":
        assert seen["spdl_copiers"] == ["copier_0"]


@pytest.mark.parametrize(("framework", "loader"), PREFETCHING)
@pytest.mark.parametrize("variant", ["plain", "tuned"])
def test_the_queue_that_a_loader_says_it_has_is_the_case_s(outcomes, framework, loader, variant):
    usual = "unlocked" if loader == NEEDS_UNLOCKED_PYTHON else ""
    for sabotage, batches in ((usual, 4), ("prefetch", 6)):
        seen = outcomes(framework, sabotage)[f"{loader}/{variant}/batch"]
        assert (seen["settings"]["prefetch_batches"], seen["queue"]) == (str(batches), [2, batches])


@pytest.mark.frameworks("pytorch")
@pytest.mark.parametrize("loader", ["torch", "torch_threads", "spdl", "spdl_process"])
def test_a_longer_queue_is_as_much_longer_as_the_case_says(probe, manifest, loader):
    short, long = probe("pytorch", "probe_ahead.py", str(manifest), loader)
    assert long - short == 2 * (3 - 1)


@pytest.mark.parametrize(("framework", "loader"), [*TRANSFERRED, IN_THREADS])
def test_as_many_tasks_run_at_once_as_there_are_workers(probe, manifest, framework, loader):
    # A process takes seconds to start. SPDL's runs the pipeline of the loader `spdl`.
    stages = ("transfer",) if loader in ("spdl_process", "grain") else ("decode", "batch", "normalize", "transfer")
    most = probe(framework, "probe_workers.py", str(manifest), loader, *stages)
    assert len(most) == 2 * len(stages) * 2  # variants, stages, numbers of workers
    assert {setting: found for setting, found in most.items() if not setting.endswith(f"/{found}")} == {}


@pytest.mark.parametrize(("framework", "loader"), ALL)
def test_without_a_gpu_transfer_is_unsupported(outcomes, framework, loader):
    seen = outcomes(framework)[f"{loader}/plain/transfer"]
    assert seen["kind"] == "UNSUPPORTED"
    assert "DEVICE=gpu" in seen["message"]


@pytest.mark.parametrize(("framework", "loader"), ALL)
def test_in_the_default_track_any_difference_is_allowed_and_recorded(outcomes, framework, loader):
    seen = outcomes(framework, "default")
    plain, matched = seen[f"{loader}/plain/batch"], outcomes(framework)[f"{loader}/plain/batch"]
    assert plain["items"] == KINDS
    # Only Pillow's defaults resize as the reference does.
    exact = loader in ("torch", "webdataset", "grain")
    assert plain["worst"] == 0 if exact else plain["worst"] > 1.2 * matched["worst"]
    assert seen[f"{loader}/tuned/batch"]["kind"] == "UNSUPPORTED"


@pytest.mark.parametrize(("framework", "loader"), ALL)
@pytest.mark.parametrize("variant", ["plain", "tuned"])
def test_without_workers_a_loader_works_or_is_unsupported(outcomes, framework, loader, variant):
    seen = outcomes(framework, "alone")[f"{loader}/{variant}/batch"]
    if loader.startswith(("spdl", "dali")):
        assert seen["kind"] == "UNSUPPORTED"
        assert "--workers 1" in seen["message"]
    else:
        assert seen["items"] == KINDS
        assert seen["sizes"] == [3] * 7


@pytest.mark.frameworks("pytorch")
@pytest.mark.parametrize("variant", ["plain", "tuned"])
def test_the_threads_loader_needs_a_python_without_global_lock(outcomes, variant):
    seen = outcomes("pytorch")[f"torch_threads/{variant}/batch"]
    assert seen["kind"] == "UNSUPPORTED"
    assert "free-threaded" in seen["message"]


@pytest.mark.frameworks("pytorch")
@pytest.mark.parametrize("variant", ["plain", "tuned"])
def test_the_threads_loader_needs_workers(outcomes, variant):
    seen = outcomes("pytorch", "alone")[f"torch_threads/{variant}/batch"]
    assert seen["kind"] == "UNSUPPORTED"
    assert "--workers 1" in seen["message"]


@pytest.mark.frameworks("pytorch")
@pytest.mark.parametrize("variant", ["plain", "tuned"])
@pytest.mark.parametrize("stage", ["decode", "batch", "normalize"])
def test_threads_deliver_the_same_as_processes(outcomes, variant, stage):
    seen, theirs = outcomes("pytorch", "unlocked"), outcomes("pytorch")
    own, other = seen[f"torch_threads/{variant}/{stage}"], theirs[f"torch/{variant}/{stage}"]
    same = ("sizes", "shape", "dtype", "stacked", "items", "mean", "worst", "digest", "stages", "queue")
    assert {name: own[name] for name in same} == {name: other[name] for name in same}
    assert own["settings"]["workers_alive"] == "2"
    assert [entry[:2] for entry in own["pipeline"]] == [entry[:2] for entry in other["pipeline"]]


@pytest.mark.frameworks("pytorch")
@pytest.mark.parametrize("loader", ["torch", "spdl", "opencv", "webdataset"])
def test_the_requested_workers_are_alive(outcomes, loader):
    assert outcomes("pytorch")[f"{loader}/plain/batch"]["settings"]["workers_alive"] == "2"


@pytest.mark.frameworks("tensorflow")
@pytest.mark.parametrize(("sabotage", "setting"), [("", "plain/batch"), ("transfer", "tuned/transfer")])
def test_tf_data_has_the_requested_threads(outcomes, sabotage, setting):
    settings = outcomes("tensorflow", sabotage)[f"tfdata/{setting}"]["settings"]
    assert (settings["private_threadpool_size"], settings["map_and_batch_fusion"]) == ("2", "True")


@pytest.mark.frameworks("tensorflow")
def test_images_that_are_ready_move_as_many_bytes_as_decoded_images(probe, manifest):
    found = probe("tensorflow", "probe_ready.py", str(manifest))
    assert found["tuned/normalize"] == ["float32", "float32"]
    assert {name for name, kinds in found.items() if kinds != ["uint8", "uint8"]} == {"tuned/normalize"}


@pytest.mark.parametrize(("framework", "loader"), ALL)
@pytest.mark.parametrize("variant", ["plain", "tuned"])
def test_a_changed_setting_fails_the_comparison_of_pixels(outcomes, framework, loader, variant):
    seen = outcomes(framework, framework)[f"{loader}/{variant}/batch"]
    assert seen["kind"] == "PARITY"
    assert "pixels differ" in seen["message"]


@pytest.mark.parametrize("framework", frameworks(*LOADERS))
def test_an_image_that_cannot_be_decoded_stops_every_loader(probe, tmp_path, framework):
    names = write_kinds(tmp_path / "all" / "a")
    (tmp_path / "all" / "a" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture follows")
    pairs = [(f"all/a/{name}", 0) for name in [*names[:4], "broken.jpg", *names[4:]]]
    manifest = str(describe(tmp_path, tmp_path, {"all": pairs}))
    outcomes = probe(framework, "probe_load.py", manifest, "")
    if framework == "pytorch":
        outcomes |= probe(framework, "probe_load.py", manifest, "unlocked")
    if framework != "dali":
        outcomes |= probe(framework, "probe_load.py", manifest, "transfer")
    read = {
        name: seen
        for name, seen in outcomes.items()
        if not name.startswith(NEEDS_A_GPU)
        and not ("/transfer" in name and name.startswith((NEEDS_UNLOCKED_PYTHON, "dali")))
    }
    assert {name.split("/")[0] for name in read} >= set(LOADERS[framework])
    assert {seen.get("kind") for seen in read.values()} == {"DATA"}
    assert all("broken.jpg' cannot be decoded" in seen["message"] for seen in read.values())
    assert {seen["left"] for seen in read.values()} == {0}


@pytest.mark.frameworks("dali")
@pytest.mark.parametrize("variant", ["plain", "tuned"])
def test_dali_has_the_requested_threads_and_ready_batches(outcomes, variant):
    settings = outcomes("dali")[f"dali/{variant}/normalize"]["settings"]
    shown = ("workers_alive", "num_threads", "prefetch_batches", "device_id", "reader")
    reader = {"plain": "a thread of DALI's own", "tuned": "the workers"}[variant]
    assert tuple(settings[name] for name in shown) == ("2", "2", "4", "None", reader)


@pytest.mark.frameworks("dali")
@pytest.mark.parametrize("variant", ["plain", "tuned"])
def test_an_error_of_dali_with_whole_images_is_not_the_images_fault(outcomes, variant):
    seen = outcomes("dali", "lost")[f"dali/{variant}/batch"]
    assert (seen["kind"], seen["message"]) == ("RuntimeError", "CUDA error: device lost")


@pytest.mark.frameworks("dali")
@pytest.mark.parametrize("variant", ["plain", "tuned"])
@pytest.mark.parametrize("stage", ["decode", "batch", "normalize"])
def test_nvjpeg_takes_part_in_the_stage_transfer_only(outcomes, variant, stage):
    seen = outcomes("dali")[f"nvjpeg/{variant}/{stage}"]
    assert (seen["kind"], "stage transfer only" in seen["message"]) == ("UNSUPPORTED", True)


@pytest.mark.parametrize("framework", frameworks("dali", "jax"))
@pytest.mark.parametrize(
    ("mistake", "told"),
    [
        ("without_antialiasing", "pixels differ"),
        ("with_another_mean", "pixels differ"),
        ("without_the_last_batch", "an epoch held 3 images, not 5"),
    ],
)
def test_a_mistake_in_a_loader_is_found(probe, tmp_path, framework, mistake, told):
    (tmp_path / "all" / "a").mkdir(parents=True)
    for number in range(5):
        pixels = np.random.default_rng(number).integers(0, 256, (60, 80, 3), np.uint8)  # fine detail, enlarged after
        Image.fromarray(pixels).resize((640, 480), Image.Resampling.NEAREST).save(tmp_path / f"all/a/{number}.jpg")
    manifest = describe(tmp_path, tmp_path, {"all": [(f"all/a/{number}.jpg", 0) for number in range(5)]})
    outcomes = probe(framework, "probe_load.py", str(manifest), mistake)
    found = [seen for name, seen in outcomes.items() if not name.startswith(NEEDS_A_GPU)]
    assert {seen["kind"] for seen in found} == {"PARITY"}
    assert all(told in seen["message"] for seen in found)
