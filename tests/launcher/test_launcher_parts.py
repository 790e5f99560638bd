"""The launcher's small parts: waiting, connecting, expanding, environments."""

import ast
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import tracemalloc
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from docker.errors import NotFound
from launcher_fakes import REPOSITORY, A, B, case, framework_tree, run_of
from requests.exceptions import ConnectionError as Disconnected

from launcher import machine
from launcher.build.environments import EnvironmentBuilder
from launcher.build.images import ImageBuilder
from launcher.build.retry import PAUSES, with_retries
from launcher.build.sources import commit
from launcher.cli import main
from launcher.commands import doctor
from launcher.datasets.assignment import Assigned
from launcher.engines import connection, selection, waiting
from launcher.engines import docker as docker_engine
from launcher.engines import facts as facts_of_engine
from launcher.engines.engine import Job, Limits
from launcher.engines.log import HEAD_BYTES, MOST_BYTES, TAIL_BYTES, Log, piped
from launcher.errors import BuildFailed, Interrupted, NotReady, UsageError
from launcher.plan.cases import expand
from launcher.plan.discovery import Contestant
from launcher.plan.estimate import (
    LOAD_SECONDS,
    OTHER_SECONDS,
    START_SECONDS,
    Durations,
    assumed,
    earlier,
    guess,
    note,
    spent,
)
from launcher.plan.left_out import left_out
from launcher.plan.profile import load_profile
from launcher.processes import run_child, run_logged
from launcher.stop import Ending, Stop, supervise
from method.schedule import run_schedule
from runners.harness.case import Case, DatasetRef
from runners.harness.energy import READABLE, Zone
from runners.harness.run import PlannedCase
from runners.harness.sampling import Sampling
from runners.harness.workload import Framework, Workload


class Clockwork:
    """An event whose waiting moves a clock; `ends_at` is when the child ends of itself."""

    def __init__(self, ends_at: float, stop: Stop | None = None, asked_at: tuple[float, ...] = ()) -> None:
        self.now, self.ends_at, self.stop, self.asked_at = 0.0, ends_at, stop, list(asked_at)
        self.log: list[str] = []

    def is_set(self) -> bool:
        return self.now >= self.ends_at

    def wait(self, seconds: float) -> bool:
        self.now += seconds
        while self.stop and self.asked_at and self.now >= self.asked_at[0]:
            self.asked_at.pop(0)
            self.stop.request()
        return self.is_set()

    def __call__(self) -> int:
        return int(self.now * 1e9)

    def act(self, word: str, ends_after: float) -> Any:
        def record() -> None:
            self.log.append(f"{word} at {self.now:.0f}")
            self.ends_at = min(self.ends_at, self.now + ends_after)

        return record


def watch(clock: Clockwork, stop: Stop, seconds: float, obeys: bool = True) -> Ending:
    terminate, kill = clock.act("terminate", 1 if obeys else 1e9), clock.act("kill", 0)
    return supervise(clock, stop, seconds, terminate, kill, clock)  # type: ignore[arg-type]


def test_a_child_that_ends_in_time_is_left_alone() -> None:
    clock = Clockwork(ends_at=5)
    assert watch(clock, Stop(), 60) is Ending.EXITED
    assert clock.log == []


def test_a_hang_is_terminated_at_the_deadline_and_killed_ten_seconds_later() -> None:
    clock = Clockwork(ends_at=1e9)
    assert watch(clock, Stop(), 60, obeys=False) is Ending.TIMEOUT
    assert clock.log == ["terminate at 60", "kill at 70"]


def test_an_obedient_child_is_not_killed() -> None:
    clock = Clockwork(ends_at=1e9)
    assert watch(clock, Stop(), 60) is Ending.TIMEOUT
    assert clock.log == ["terminate at 60"]


def test_an_interruption_does_not_wait_for_the_deadline() -> None:
    stop = Stop()
    clock = Clockwork(1e9, stop, (5,))
    assert watch(clock, stop, 60) is Ending.INTERRUPTED
    assert clock.log == ["terminate at 5"]


def test_a_second_interruption_cuts_the_grace_short() -> None:
    stop = Stop()
    clock = Clockwork(1e9, stop, (5, 7))
    assert watch(clock, stop, 60, obeys=False) is Ending.INTERRUPTED
    assert clock.log == ["terminate at 5", "kill at 7"]


class Engine:
    """Answers `wait` and `ping` from scripts of values to return or exceptions to raise."""

    def __init__(self, waits: list[object], pings: list[object]) -> None:
        self.api, self._waits, self._pings = self, waits, pings

    def wait(self, _container: str, timeout: object) -> object:
        assert timeout is None
        return self._next(self._waits)

    def ping(self) -> object:
        return self._next(self._pings)

    def _next(self, script: list[object]) -> object:
        value = script.pop(0) if len(script) > 1 else script[0]
        if isinstance(value, Exception):
            raise value
        return value


@pytest.mark.parametrize(
    ("waits", "pings", "lost"),
    [
        ([{"StatusCode": 0}], [True], False),
        ([Disconnected(), {"StatusCode": 0}], [Disconnected(), Disconnected(), True], False),
        ([Disconnected()], [Disconnected()], True),
        ([Disconnected(), NotFound("gone")], [True], True),
    ],
)
def test_an_engine_that_goes_away_is_given_thirty_seconds(
    monkeypatch: pytest.MonkeyPatch, waits: list[object], pings: list[object], lost: bool
) -> None:
    slept: list[float] = []
    first = waits[0]
    monkeypatch.setattr(waiting.time, "sleep", slept.append)
    waiter = waiting.Waiter(Engine(waits, pings), "id")  # type: ignore[arg-type]
    thread = threading.Thread(target=waiter.wait)
    thread.start()
    thread.join(10)
    assert waiter.finished.is_set()
    assert waiter.lost is lost
    assert waiter.interrupted is isinstance(first, Disconnected)
    assert sum(slept) <= waiting.RECONNECT_SECONDS


@pytest.mark.parametrize(("code", "ending"), [(0, Ending.EXITED), (137, Ending.LOST), (143, Ending.LOST)])
def test_what_an_engine_s_restart_ended_is_lost_not_crashed(tmp_path: Path, code: int, ending: Ending) -> None:
    state = {"ExitCode": code, "OOMKilled": False}
    container: Any = SimpleNamespace(
        id="id", start=lambda: None, reload=lambda: None, attrs={"State": state}, logs=lambda **_: []
    )
    client: Any = Engine([Disconnected(), {"StatusCode": code}], [True])
    limits = Limits((0,), 2**30)
    engine = docker_engine.DockerEngine(client, ImageBuilder(tmp_path, client, "cpu", Stop()), limits, "cpu")
    job = Job("run-1", "id", A, [], [], tmp_path, tmp_path, tmp_path / "log", "cpu", 60)
    assert engine._supervised(container, job, Stop()).ending is ending


@pytest.mark.parametrize("engine", ["docker", "auto"])
def test_without_an_engine_docker_is_refused_and_auto_takes_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], engine: str
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")
    tree = framework_tree(tmp_path / "tree")
    code = main(["images", "--engine", engine], tree)
    said = capsys.readouterr().err
    assert f"{tmp_path}/no.sock (DOCKER_HOST)" in said
    assert code == (3 if engine == "docker" else 0)
    assert ("engine venv (auto: no Docker engine" in said) is (engine == "auto")


def test_an_engine_of_another_machine_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its containers would see none of this machine's folders."""
    monkeypatch.setenv("DOCKER_HOST", "ssh://alice@a")
    with pytest.raises(NotReady, match="HOSTS=ssh://alice@a measures there"):
        connection.connect()


def test_what_is_no_socket_is_said_to_be_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/file")
    with pytest.raises(NotReady, match="is not a socket"):
        connection.connect()


def test_an_engine_that_refuses_us_names_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/s")
    monkeypatch.setattr(connection.os, "access", lambda *_: False)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{tmp_path}/s")
        with pytest.raises(NotReady, match=r"usermod -aG docker"):
            connection.connect()


def test_an_engine_that_does_not_answer_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/s")
    monkeypatch.setattr(connection, "ANSWER_SECONDS", 0.2)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{tmp_path}/s")
        listener.listen()
        with pytest.raises(NotReady, match="no Docker engine answers at"):
            connection.connect()


def contestants() -> dict[str, Contestant]:
    left = Framework(
        "alpha", (), {"infer": Workload(("eager", "compile"), networks=("cnn4", "big"), scopes=("compute",))}
    )
    right = Framework(
        "beta",
        (),
        {
            "infer": Workload(("graph", "eager"), networks=("cnn4",), scopes=("compute",)),
            "load": Workload(
                ("plain", "tuned"), ("one", "two"), ("rare",), stages=("batch",), tracks=("matched", "default")
            ),
        },
    )
    return {"alpha": Contestant("alpha", left), "beta": Contestant("beta", right)}


def cases_of(tmp_path: Path, groups: str, pattern: str = "", device: str = "cpu") -> list[Any]:
    (tmp_path / "profiles").mkdir(exist_ok=True)
    (tmp_path / "profiles" / "p.toml").write_text("description = ''\nblocks = 8\n" + groups)
    everyone = contestants()
    profile = load_profile(tmp_path, "p")
    return expand(profile, ["infer", "load"], everyone, everyone, device, Assigned(), None, pattern)


def test_lists_become_a_matrix_and_scalars_stay(tmp_path: Path) -> None:
    cases = cases_of(tmp_path, "[[cases]]\nworkload='infer'\nnetwork='cnn4'\ninput_size=[32,64]\nbatch_size=[1,8]\n")
    assert [(one.case.input_size, one.case.batch_size) for one in cases] == [(32, 1), (32, 8), (64, 1), (64, 8)]


def test_who_declares_the_most_workloads_comes_first(tmp_path: Path) -> None:
    """Reports compare the others with the first; a framework that does inference only is in few cases."""
    (only,) = cases_of(tmp_path, "[[cases]]\nworkload='infer'\nbatch_size=1\n")
    assert [one.label for one in only.competitors] == ["beta/graph", "alpha/eager"]


def test_named_variants_apply_to_whoever_declares_them(tmp_path: Path) -> None:
    (only,) = cases_of(tmp_path, "[[cases]]\nworkload='infer'\nbatch_size=1\nvariants=['compile','graph']\n")
    assert [one.label for one in only.competitors] == ["beta/graph", "alpha/compile"]
    (only,) = cases_of(tmp_path, "[[cases]]\nworkload='infer'\nbatch_size=1\nvariants='all'\n")
    assert len(only.competitors) == 4


def test_a_track_is_an_axis_of_loaders_alone(tmp_path: Path) -> None:
    group = "[[cases]]\nworkload='load'\nbatch_size=1\ntrack=['matched','default']\n"
    matched, default = cases_of(tmp_path, group)
    assert (matched.case.track, default.case.track) == ("matched", "default")
    assert default.case.label == matched.case.label.replace("cpu", "default settings cpu")
    with pytest.raises(UsageError, match=r"unknown track 'defualt'.*did you mean default"):
        cases_of(tmp_path, group.replace("'default'", "'defualt'"))
    with pytest.raises(UsageError, match="unknown track 'default'; known: matched"):
        cases_of(tmp_path, "[[cases]]\nworkload='infer'\nbatch_size=1\ntrack='default'\n")


def test_loaders_and_variants_multiply(tmp_path: Path) -> None:
    (only,) = cases_of(tmp_path, "[[cases]]\nworkload='load'\nbatch_size=1\nvariants='all'\n")
    assert [one.label for one in only.competitors] == [
        "beta/one/plain", "beta/one/tuned", "beta/two/plain", "beta/two/tuned",
    ]  # fmt: skip


def test_loaders_that_are_not_usual_run_where_all_are_asked_for_or_they_are_named(tmp_path: Path) -> None:
    group = "[[cases]]\nworkload='load'\nbatch_size=1\nvariants=['plain']\nloaders={}\n"
    labels = {}
    for choice in ("'usual'", "'all'", "['rare']", "['rare','two']"):
        (only,) = cases_of(tmp_path, group.format(choice))
        labels[choice] = [one.label for one in only.competitors]
    assert labels == {
        "'usual'": ["beta/one/plain", "beta/two/plain"],
        "'all'": ["beta/one/plain", "beta/two/plain", "beta/rare/plain"],
        "['rare']": ["beta/rare/plain"],
        "['rare','two']": ["beta/rare/plain", "beta/two/plain"],
    }
    with pytest.raises(UsageError, match=r"unknown loader 'raer'.*did you mean rare"):
        cases_of(tmp_path, group.format("['raer']"))


def test_what_a_framework_does_not_declare_is_a_dash_with_the_reason(tmp_path: Path) -> None:
    (only,) = cases_of(tmp_path, "[[cases]]\nworkload='infer'\nnetwork='big'\nbatch_size=1\n")
    assert [one.label for one in only.competitors] == ["alpha/eager"]
    (gone,) = only.unavailable
    assert (gone.competitor.label, gone.kind) == ("beta/graph", "UNSUPPORTED")
    assert "network big" in gone.reason


def test_the_same_case_in_two_groups_is_one_case(tmp_path: Path) -> None:
    group = "[[cases]]\nworkload='infer'\nbatch_size=1\nvariants=['{}']\n"
    (only,) = cases_of(tmp_path, group.format("eager") + group.format("graph"))
    assert [one.label for one in only.competitors] == ["beta/eager", "alpha/eager", "beta/graph"]


@pytest.mark.parametrize("pattern", ["batch 8", "infer*batch 8*"])
def test_a_filter_is_a_part_or_a_glob_of_the_label(tmp_path: Path, pattern: str) -> None:
    cases = cases_of(tmp_path, "[[cases]]\nworkload='infer'\nbatch_size=[1,8]\n", pattern)
    assert [one.case.label for one in cases] == ["infer cnn4 224 px batch 8 cpu"]


def test_max_steps_below_min_steps_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="max_steps 3 is less than min_steps 40"):
        cases_of(tmp_path, "[[cases]]\nworkload='infer'\nbatch_size=1\nsampling={max_steps=3}\n")


def test_every_profile_of_the_project_is_valid_and_of_a_sensible_size() -> None:
    for name in profiles():
        assert load_profile(REPOSITORY, name).description
    assert load_profile(REPOSITORY, "quick").blocks == 3


def profiles() -> list[str]:
    return sorted(path.stem for path in (REPOSITORY / "profiles").glob("*.toml"))


@pytest.mark.parametrize("name", [name for name in profiles() if name != "aa"])
def test_every_profile_of_the_project_can_be_planned(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Its names, sizes and batches are such as the project's own frameworks take."""
    assert main(["plan", "--profile", name], REPOSITORY) == 0
    assert "replicates" in capsys.readouterr().out


def test_the_a_a_profile_has_forty_comparisons(capsys: pytest.CaptureFixture[str]) -> None:
    """Of a framework that has all its workloads, not of the first by name."""
    assert main(["plan", "--profile", "aa", "--aa"], REPOSITORY) == 0
    text = capsys.readouterr().out
    assert "40 cases, 640 replicates after 3 pilots of each program and step case" in text
    assert "UNSUPPORTED" not in text


def test_a_plan_of_the_published_trainings_says_that_they_take_days(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One published training took 1,400 s on a CPU; this profile has hundreds."""
    assert main(["plan", "--profile", "cifar100", "--out", str(tmp_path)], REPOSITORY) == 0
    text = capsys.readouterr().out
    found = re.search(r"about (\d+) days to (\d+) days of measuring, from an assumed 40 to 75 GFLOP/s \(train", text)
    assert found, text
    assert 4 <= int(found[1]) < 7 < int(found[2]) <= 14


def test_an_unknown_training_takes_as_long_as_its_epochs_images_pixels_and_device_say() -> None:
    """The published trainings of 20 epochs and 50,000 images took 1,021 to 1,741 s on a CPU, and 94 to 580 on a GPU."""
    fit = case(workload="fit", epochs=20, dataset=DatasetRef("cifar100", "0" * 64, 50_000, 1))
    for device, least, most in (("cpu", 1021, 1741), ("gpu", 94, 580)):
        low, high = guess(replace(fit, device=device), Sampling())
        assert 0.9 * least <= low < 1.1 * least
        assert 0.9 * most <= high - START_SECONDS[1] < 1.1 * most

    def training(one: Case) -> float:
        return guess(one, Sampling())[1] - START_SECONDS[1]

    assert training(replace(fit, epochs=40)) == pytest.approx(2 * training(fit))
    assert training(replace(fit, input_size=64)) == pytest.approx(4 * training(fit), rel=0.1)
    assert training(replace(fit, network="resnet50")) > 5 * training(fit)


def test_a_training_that_nobody_published_is_between_a_slow_training_and_a_fast_step() -> None:
    fit = case(workload="fit", network="resnet18", epochs=1, dataset=DatasetRef("cifar100", "0" * 64, 50_000, 1))
    assert assumed(fit) == "an assumed 40 to 400 GFLOP/s (trainings published in 2025, steps in 2021)"
    low, high = guess(fit, Sampling())
    assert (high - START_SECONDS[1]) / (low - START_SECONDS[0]) == pytest.approx(10)


def test_a_pipe_in_the_place_of_a_run_s_durations_keeps_nobody_waiting(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    os.mkfifo(tmp_path / "run" / "timings.jsonl")
    assert earlier(tmp_path).bounds(alone(case()), A) == guess(case(), Sampling())
    assert spent(tmp_path / "run") == 0
    with pytest.raises(OSError, match=r"timings\.jsonl"):
        note(tmp_path / "run", case(), A, 1.0, ok=True)


def alone(one: Case) -> PlannedCase:
    return PlannedCase(one, [A], 1)


def test_an_unknown_step_takes_as_long_as_its_arithmetic_and_its_sampling_say() -> None:
    def guessed(one: Case, sampling: Sampling = Sampling()) -> tuple[float, float]:  # noqa: B008
        return guess(one, sampling)

    small, large = case(network="cnn4"), case(network="resnet152", input_size=224, batch_size=32)
    assert guessed(small) == pytest.approx((START_SECONDS[0] + 2, START_SECONDS[1] + 2), abs=0.5)
    assert guessed(large)[0] > 4 * guessed(small)[0]
    assert guessed(replace(large, workload="train"))[1] > 2 * guessed(large)[1]
    assert guessed(replace(large, device="gpu"))[1] < guessed(large)[1] / 2
    assert guessed(replace(small, network="of a plug-in")) == OTHER_SECONDS
    assert guessed(case(workload="load", network=None)) == LOAD_SECONDS
    assert guessed(large, Sampling(5, 10))[1] < guessed(large)[1] / 2.5
    assert guessed(small, Sampling(2, 5, 20, 0.2))[0] == pytest.approx(START_SECONDS[0], abs=0.1)


def test_what_was_measured_says_nothing_about_a_case_whose_arithmetic_is_counted() -> None:
    durations = Durations()
    fit = case(workload="fit", epochs=1, dataset=DatasetRef("mine", "0" * 64, 600, 1))
    durations.add(fit.label, "fit", A.label, 7.0)
    longer = replace(fit, epochs=20)
    assert durations.seconds(alone(fit), A) == 7.0
    assert durations.bounds(alone(longer), A) == guess(longer, Sampling())
    load = case(workload="load", network=None, input_size=None)
    durations.add(load.label, "load", A.label, 9.0)
    assert durations.bounds(alone(replace(load, batch_size=2)), A) == (9.0, 9.0)


def test_a_run_knows_best_from_itself_then_from_its_pilots_then_from_earlier_runs() -> None:
    before, step = Durations(), alone(case())
    for seconds in (100.0,) * 50:
        before.add(step.case.label, "infer", A.label, seconds)
    pilots = Durations(before)
    durations = Durations(before, pilots)
    assert durations.bounds(step, A) == (100.0, 100.0)
    pilots.add(step.case.label, "infer", f"{A.label}:A", 8.0)
    assert durations.bounds(step, A) == (4.0, 12.0)
    assert durations.bounds(step, B) == guess(step.case, Sampling())
    for seconds in (5.0, 6.0, 7.0, 90.0):
        durations.add(step.case.label, "infer", A.label, seconds)
    low, high = durations.bounds(step, A)
    assert 5 < low < 6 < 7 < high < 30


def test_a_plan_says_what_the_frameworks_offer_beyond_it(tmp_path: Path) -> None:
    everyone = contestants()
    group = "[[cases]]\nworkload='infer'\nbatch_size=1\nvariants={}\n"
    cases = cases_of(tmp_path, group.format("'usual'"))
    assert list(left_out(cases, everyone, [*everyone, "rare"], "cpu")) == [
        "infer: network big; variant alpha/compile, beta/eager",
        "workloads: load",
        "frameworks: rare",
    ]
    load = "[[cases]]\nworkload='load'\nbatch_size=1\nvariants='all'\ntrack=['matched','default']\n"
    both = cases_of(tmp_path, group.format("'all'") + "network=['cnn4','big']\n" + load + "loaders='all'\n")
    assert list(left_out(both, everyone, everyone, "cpu")) == []
    few = cases_of(tmp_path, load)
    assert list(left_out(few, everyone, everyone, "cpu")) == ["load: loader beta/rare", "workloads: infer"]


def test_a_variant_may_be_one_framework_s_alone(tmp_path: Path) -> None:
    group = "[[cases]]\nworkload='infer'\nbatch_size=1\nvariants={}\n"
    (only,) = cases_of(tmp_path, group.format("['alpha/eager','beta/graph']"))
    assert [one.label for one in only.competitors] == ["beta/graph", "alpha/eager"]
    (only,) = cases_of(tmp_path, group.format("['alpha/eager','eager','beta/eager']"))
    assert [one.label for one in only.competitors] == ["beta/eager", "alpha/eager"]
    (only,) = cases_of(tmp_path, group.format("['alpha/eager']"))
    assert [(one.competitor.label, one.kind) for one in only.unavailable] == [("beta", "UNSUPPORTED")]
    with pytest.raises(UsageError, match=r"unknown variant 'alpha/egaer'; known: alpha/.*; did you mean alpha/eager"):
        cases_of(tmp_path, group.format("['alpha/egaer']"))
    with pytest.raises(UsageError, match=r"unknown variant 'egaer'; known: compile, eager, graph; did you mean eager"):
        cases_of(tmp_path, group.format("['egaer']"))
    with pytest.raises(UsageError, match=r"unknown variant 'alpha/graph'"):
        cases_of(tmp_path, group.format("['alpha/graph']"))


def test_only_a_profile_that_repeats_a_published_table_names_variants_or_loaders() -> None:
    """Elsewhere a new framework takes part by itself."""
    named = {
        name
        for name in profiles()
        for group in load_profile(REPOSITORY, name).cases
        if isinstance(group.variants, list) or isinstance(group.loaders, list)
    }
    assert named == {"steps-2021"}


def test_the_steps_of_the_published_matrix_are_all_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--profile", "steps", "--workloads", "train,infer"], REPOSITORY) == 0
    assert f"{7 * 3 * 4 * 2} cases" in capsys.readouterr().out


def test_the_schedule_needs_only_what_run_json_holds() -> None:
    run = run_of(PlannedCase(case(), [A, B], 2))
    assert [one.block for one in run_schedule(run)] == [0, 0, 1, 1]


def test_an_environment_is_made_once_until_its_requirements_change(tmp_path: Path) -> None:
    tree = framework_tree(tmp_path)
    assert not EnvironmentBuilder(tree, "cpu", Stop()).is_current("fake")
    EnvironmentBuilder(tree, "cpu", Stop()).build("fake")
    assert EnvironmentBuilder(tree, "cpu", Stop()).is_current("fake")
    (tree / "images" / "fake" / "requirements-cpu.txt").write_text("# changed\n")
    assert not EnvironmentBuilder(tree, "cpu", Stop()).is_current("fake")


def test_environments_for_cpus_and_gpus_differ_only_where_their_requirements_do(tmp_path: Path) -> None:
    tree = framework_tree(tmp_path)
    EnvironmentBuilder(tree, "cpu", Stop()).build("fake")
    assert EnvironmentBuilder(tree, "gpu", Stop()).is_current("fake")
    (tree / "images" / "fake" / "requirements-gpu.txt").write_text("# more\n")
    EnvironmentBuilder(tree, "cpu", Stop()).build("fake")
    assert not EnvironmentBuilder(tree, "gpu", Stop()).is_current("fake")
    EnvironmentBuilder(tree, "gpu", Stop()).build("fake")
    assert all(EnvironmentBuilder(tree, device, Stop()).is_current("fake") for device in ("cpu", "gpu"))
    assert sorted(path.name for path in (tree / ".venvs").iterdir()) == ["fake", "fake-gpu"]


def test_an_environment_from_another_index_is_made_again_for_a_gpu(tmp_path: Path) -> None:
    """Such an index mostly holds builds for CPUs."""
    tree = framework_tree(tmp_path)
    EnvironmentBuilder(tree, "cpu", Stop(), "https://one.example/simple").build("fake")
    assert not EnvironmentBuilder(tree, "gpu", Stop()).is_current("fake")


def test_another_package_index_makes_an_environment_again_and_none_takes_what_is_there(tmp_path: Path) -> None:
    tree = framework_tree(tmp_path)
    EnvironmentBuilder(tree, "cpu", Stop(), "https://one.example/simple").build("fake")
    assert EnvironmentBuilder(tree, "cpu", Stop()).is_current("fake")
    assert EnvironmentBuilder(tree, "cpu", Stop(), "https://one.example/simple").is_current("fake")
    assert not EnvironmentBuilder(tree, "cpu", Stop(), "https://two.example/simple").is_current("fake")


def test_requirements_that_cannot_be_met_fail_with_the_log_s_end(tmp_path: Path) -> None:
    tree = framework_tree(tmp_path)
    (tree / "images" / "fake" / "requirements.txt").write_text("./no-such-folder-here\n")
    with pytest.raises(BuildFailed, match="virtual environment could not be made") as fault:
        EnvironmentBuilder(tree, "cpu", Stop()).build("fake")
    assert "no-such-folder-here" in fault.value.tail
    assert not (tree / ".venvs" / "fake").exists()


def test_an_engine_without_the_docker_command_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(selection, "connect", lambda: None)
    monkeypatch.setattr(connection.shutil, "which", lambda _: None)
    tree = framework_tree(tmp_path / "tree")
    assert main(["images", "--engine", "docker"], tree) == 3
    assert main(["images", "--engine", "auto"], tree) == 0
    assert "engine venv (auto: the `docker` command is missing" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("facts", "ready"),
    [
        ({"Runtimes": {"runc": {}}}, False),
        ({"Runtimes": {"nvidia": {}}}, True),
        ({"DiscoveredDevices": [{"Source": "cdi", "ID": "nvidia.com/gpu=all"}]}, True),
    ],
)
def test_an_engine_without_the_gpu_toolkit_is_refused_before_anything_is_built(
    monkeypatch: pytest.MonkeyPatch, facts: dict[str, object], ready: bool
) -> None:
    monkeypatch.setattr(facts_of_engine.shutil, "which", lambda _: None)
    client: Any = SimpleNamespace(info=lambda: facts, version=dict)
    if ready:
        facts_of_engine.require_toolkit(client)
    else:
        with pytest.raises(NotReady, match="NVIDIA Container Toolkit"):
            facts_of_engine.require_toolkit(client)


def test_podman_is_refused_for_a_gpu_before_anything_is_built() -> None:
    version = {"Components": [{"Name": "Podman Engine"}]}
    client: Any = SimpleNamespace(info=lambda: {"Runtimes": {"nvidia": {}}}, version=lambda: version)
    with pytest.raises(NotReady, match="ENGINE=venv"):
        facts_of_engine.require_toolkit(client)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"CPUSet": True, "MemoryLimit": True, "CgroupDriver": "systemd"}, None),
        ({"CPUSet": True, "MemoryLimit": False}, "memory; turn the control groups"),
        (
            {"CPUSet": False, "MemoryLimit": True, "SecurityOptions": ["name=rootless"], "CgroupVersion": "2"},
            "CPUs; delegate",
        ),
        (
            {"CgroupDriver": "none", "SecurityOptions": ["name=rootless"], "CgroupVersion": "1"},
            "CPUs and memory; a root",
        ),
    ],
)
def test_an_engine_that_ignores_limits_is_refused(facts: dict[str, object], words: str | None) -> None:
    client: Any = SimpleNamespace(info=lambda: facts)
    if words is None:
        facts_of_engine.require_limits(client)
    else:
        with pytest.raises(NotReady, match=words):
            facts_of_engine.require_limits(client)


def test_an_engine_of_one_s_own_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "podman").mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{tmp_path}/podman/podman.sock")
        with pytest.raises(NotReady, match=f"export DOCKER_HOST=unix://{tmp_path}/podman/podman.sock"):
            connection.connect()


@pytest.mark.parametrize(
    ("tail", "times"),
    [
        ("Get https://registry/v2/: net/http: TLS handshake timeout", 3),
        ("WARNING: Retrying ... NewConnectionError", 3),
        ("error: invalid syntax in Dockerfile line 3", 1),
    ],
)
def test_only_trouble_with_the_network_is_tried_again(monkeypatch: pytest.MonkeyPatch, tail: str, times: int) -> None:
    tried: list[float] = []
    stop = Stop()
    monkeypatch.setattr(stop, "sleep", lambda seconds: tried.append(seconds))

    def build() -> None:
        raise BuildFailed("no", tail)

    with pytest.raises(BuildFailed, match="no"):
        with_retries(build, stop)
    assert tried == list(PAUSES[: times - 1])


def test_the_end_of_a_build_s_log_is_written_out(capsys: pytest.CaptureFixture[str]) -> None:
    def fail(_program: str) -> None:
        raise BuildFailed("fake: no", "::add-mask::x\n##[group]\x1b[2J\u202e")

    selection.prepare(SimpleNamespace(prepare=fail), ["fake"], Limits((0,), 2**30), Stop())  # type: ignore[arg-type]
    assert capsys.readouterr().err.splitlines()[1:] == [": :add-mask::x", "## [group]\\x1b[2JU+202E"]


def test_whatever_the_launcher_prints_is_written_out() -> None:
    """Through `say`, `answer` and the display; a bare print would let text from outside through."""
    calls = [
        f"{path.name}:{node.lineno}"
        for path in (REPOSITORY / "launcher").rglob("*.py")
        if path.name != "text.py"
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print"
    ]
    assert calls == []


def test_a_stop_ends_the_tries() -> None:
    stop = Stop()
    stop.request()
    with pytest.raises(Interrupted):
        with_retries(lambda: (_ for _ in ()).throw(BuildFailed("no", "timed out")), stop)


def test_a_memory_limit_that_nothing_enforces_is_a_warning(tmp_path: Path, capsys: Any) -> None:
    tree = framework_tree(tmp_path)
    main(["bench", "--profile", "tiny", "--blocks", "1", "--engine", "venv", "--memory", "2"], tree)
    assert "--memory is not enforced with ENGINE=venv" in capsys.readouterr().err


def git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return subprocess.run(
        ["git", *who, *words], cwd=folder, env=clean, capture_output=True, text=True, check=True
    ).stdout.strip()


def repository(folder: Path) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "--quiet")
    git(folder, "commit", "--quiet", "--allow-empty", "-m", "first")
    return git(folder, "rev-parse", "HEAD")


def test_the_commit_is_that_of_the_folder_s_own_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outer, own = repository(tmp_path / "outer"), repository(tmp_path / "outer" / "own: a clone")
    assert outer
    for name in ("tarball", "empty"):
        (tmp_path / "outer" / name).mkdir()
    git(tmp_path / "outer" / "empty", "init", "--quiet")
    git(tmp_path / "outer" / "own: a clone", "worktree", "add", "--quiet", "../tree")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "outer" / ".git"))
    folders = ("own: a clone", "tree", "tarball", "empty", "missing")
    found = [commit(tmp_path / "outer" / name) for name in folders]
    assert found == [(own, False), (own, False), (None, None), (None, None), (None, None)]
    (tmp_path / "outer" / "tree" / "new").write_text("")
    assert commit(tmp_path / "outer" / "tree") == (own, True)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert commit(tmp_path / "outer" / "tree") == (None, None)


@pytest.mark.skipif(os.getuid() != 0, reason="only root may give files away")
def test_the_commit_is_known_where_another_user_owns_the_folder(tmp_path: Path) -> None:
    head = repository(tmp_path / "theirs")
    for path in (tmp_path / "theirs", tmp_path / "theirs" / ".git"):
        os.chown(path, 4711, 4711)
    assert commit(tmp_path / "theirs") == (head, False)


def bound_to_one(cpus: str) -> subprocess.CompletedProcess[str]:
    """Ask for these CPUs in a shell that has the first one only."""
    first = min(os.sched_getaffinity(0))
    script = (
        f"import os; os.sched_setaffinity(0, [{first}]); from launcher import machine; print(machine.cpu_set({cpus!r}))"
    )
    return subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=False)


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one CPU")
def test_cpus_kept_from_the_shell_may_be_asked_for() -> None:
    every = tuple(sorted(os.sched_getaffinity(0)))
    assert bound_to_one(",".join(map(str, every))).stdout.strip() == str(every)
    assert bound_to_one("").stdout.strip() == str(every[:1])


def test_cpus_that_the_kernel_refuses_are_named_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "read_text", lambda _: "0-3,6")
    monkeypatch.setattr(machine, "_usable", lambda cpus: cpus & {0, 1})
    with pytest.raises(NotReady, match=r"CPU 4-5 is not available here; this machine has CPUs 0-3,6$"):
        machine.cpu_set("0-6")
    with pytest.raises(NotReady, match=r"CPU 2,6 is not .*container, job or control group may use CPUs 0-1 only"):
        machine.cpu_set("1-2,6")
    assert machine.cpu_set("1, 0") == (0, 1)
    for wrong in ("1-0", "٣", "0,,1", "-1", "0-3-5"):
        with pytest.raises(UsageError, match="write it like"):
            machine.cpu_set(wrong)


def test_a_full_disk_is_seen_before_anything_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(NotReady, match="make room"):
        machine.require_disk(tmp_path, 100, 0)


def test_shared_memory_is_probed_by_allocating_it() -> None:
    assert machine.shm_shortfall(4096) == ""
    assert "enlarge it: sudo mount -o remount,size=1048576G" in machine.shm_shortfall(2**50)


def test_doctor_and_its_kin_end_at_ctrl_c(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    tree = framework_tree(tmp_path / "tree")
    monkeypatch.setattr(doctor, "run", interrupt)
    assert main(["doctor"], tree) == 130


def test_an_index_out_of_reach_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def fail(*arguments: object, **_: object) -> None:
        asked.append(arguments)
        raise OSError

    monkeypatch.setattr(doctor.subprocess, "run", fail)
    index = doctor._Index()
    assert [index.versions("one"), index.versions("two")] == [[], []]
    assert len(asked) == 1


def test_doctor_prints_a_remedy_beside_each_lack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")
    tree = framework_tree(tmp_path / "tree")
    assert main(["doctor", "--engine", "venv"], tree) == 0
    assert main(["doctor", "--engine", "docker"], tree) == 3
    text = capsys.readouterr().out
    assert "fake: environment" in text
    assert "make setup" in text


def printed(path: Path, code: str) -> bytes:
    """The log of a child that runs this code."""
    with piped(path) as log:
        subprocess.run([sys.executable, "-c", code], stdout=log, check=True)
    return path.read_bytes()


@pytest.mark.parametrize("size", [0, 1, HEAD_BYTES, HEAD_BYTES + 1, HEAD_BYTES + TAIL_BYTES])
def test_a_usual_log_is_kept_whole(tmp_path: Path, size: int) -> None:
    code = f"import sys; sys.stdout.buffer.write((b'0123456789' * {size // 10 + 1})[:{size}])"
    assert printed(tmp_path / "log", code) == (b"0123456789" * (size // 10 + 1))[:size]


def test_a_flood_keeps_its_head_and_its_tail(tmp_path: Path) -> None:
    lines, line = 1_000_000, "of a flood that fills the disk"
    found = printed(tmp_path / "log", f"for n in range({lines}): print(f'{{n:08}} {line}')")
    assert len(found) <= MOST_BYTES
    assert found.startswith(f"00000000 {line}\n".encode())
    assert found.endswith(f"\n00999999 {line}\n".encode())
    cut = lines * (len(line) + 10) - HEAD_BYTES - TAIL_BYTES
    assert f"\n[{cut:,} bytes cut here]\n".encode() in found


def test_a_flood_takes_no_memory_of_the_launcher(tmp_path: Path) -> None:
    log = Log(tmp_path / "log")
    tracemalloc.start()
    try:
        for _ in range(1000):
            log.write(b"x" * 2**16)
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    finally:
        tracemalloc.stop()
        log.close()


def test_a_log_on_a_full_disk_lets_its_runner_finish_and_is_said_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.open
    monkeypatch.setattr(Path, "open", lambda _path, _mode, **more: real(Path("/dev/full"), "wb", **more))
    with pytest.raises(OSError, match="No space left"), piped(tmp_path / "log") as log:
        assert subprocess.run([sys.executable, "-c", "print('x' * 10_000_000)"], stdout=log).returncode == 0


def test_who_keeps_a_log_open_keeps_nobody_waiting(tmp_path: Path) -> None:
    with piped(tmp_path / "log") as log:
        endless = subprocess.Popen(["yes"], stdout=log)
    assert endless.wait(10) != 0
    assert (tmp_path / "log").stat().st_size <= MOST_BYTES


def test_a_pipe_in_a_log_s_place_is_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "log")
    assert printed(tmp_path / "log", "print(1)") == b"1\n"


DAEMONS = {
    "session of its own": "setsid sleep {0} &",
    "without environment": "env -i /usr/bin/setsid /bin/sleep {0} &",
    "twice removed": "setsid sh -c 'setsid sleep {0} & setsid sh -c \"sleep {0}\" &' &",
}


@pytest.mark.parametrize("how", DAEMONS)
def test_a_daemon_ends_with_the_child_that_left_it_and_nobody_else_does(tmp_path: Path, how: str) -> None:
    seconds = f"1000.{os.getpid()}"  # like no other on this machine
    bystander = subprocess.Popen(["sleep", seconds], start_new_session=True)
    before = set(psutil.Process().children(recursive=True))
    try:
        with (tmp_path / "log").open("wb") as log:
            ended = run_child(["sh", "-c", DAEMONS[how].format(seconds) + " exit 3"], tmp_path, log, Stop(), 30)
        assert (ended.ending, ended.code) == (Ending.EXITED, 3)
        assert set(psutil.Process().children(recursive=True)) == before
        named = [one for one in psutil.process_iter(["cmdline"]) if (one.info["cmdline"] or [])[1:] == [seconds]]
        assert [one.pid for one in named] == [bystander.pid]
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_a_build_that_floods_its_log_takes_no_memory(tmp_path: Path) -> None:
    tracemalloc.start()
    try:
        code, tail = run_logged(["sh", "-c", "yes | head -c 100000000; echo end; exit 1"], tmp_path, Stop(), 60, "x")
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    finally:
        tracemalloc.stop()
    assert (code, tail[-5:]) == (1, "y\nend")


def test_doctor_tells_locked_energy_counters_from_missing_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")
    tree = framework_tree(tmp_path / "tree")
    locked = f"only root may read them; {READABLE} allows it"
    found = {"package-0, package-0 dram": ([Zone(name, tmp_path) for name in ("package-0", "package-0 dram")], "")}
    for shown, counters in {**found, "there are none": ([], "there are none"), "locked": ([], locked)}.items():
        monkeypatch.setattr(doctor, "zones", lambda counters=counters: counters)
        assert main(["doctor", "--engine", "venv"], tree) == 0
        text = " ".join(capsys.readouterr().out.replace("│", " ").split())
        assert f"energy counters {'note' if shown == 'locked' else 'ok'} {shown}" in text
        assert ("chmod" in text) == (shown == "locked")
