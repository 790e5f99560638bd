"""The launcher's small parts: waiting, connecting, expanding, environments."""

import re
import shutil
import socket
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from docker.errors import NotFound
from launcher_fakes import REPOSITORY, A, B, case, framework_tree, run_of
from requests.exceptions import ConnectionError as Disconnected

from launcher import machine
from launcher.build.environments import EnvironmentBuilder
from launcher.build.images import ImageBuilder
from launcher.build.retry import PAUSES, with_retries
from launcher.cli import main
from launcher.commands import doctor
from launcher.engines import connection, selection, waiting
from launcher.engines import docker as docker_engine
from launcher.engines.engine import Job, Limits
from launcher.errors import BuildFailed, Interrupted, NotReady, UsageError
from launcher.plan.cases import expand
from launcher.plan.discovery import Contestant
from launcher.plan.estimate import OTHER_SECONDS, Durations, guess
from launcher.plan.profile import load_profile
from launcher.stop import Ending, Stop, supervise
from method.schedule import run_schedule
from runners.harness.case import DatasetRef
from runners.harness.energy import READABLE, Zone
from runners.harness.run import PlannedCase
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
    return expand(profile, ["infer", "load"], everyone, everyone, device, {}, None, pattern)


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
    found = re.search(r"about (\d+) days of measuring, from rough constants .* 600 trained images a second", text)
    assert found, text
    assert 4 <= int(found[1]) <= 14


def test_an_unknown_training_takes_as_long_as_its_epochs_images_and_device_say() -> None:
    fit = case(workload="fit", epochs=2, dataset=DatasetRef("mine", "0" * 64, 30_000, 1))
    seconds = [guess(one) for one in (fit, replace(fit, epochs=4), replace(fit, input_size=64))]
    assert seconds == [pytest.approx(OTHER_SECONDS + training) for training in (100, 200, 400)]
    assert guess(replace(fit, device="gpu")) < guess(fit) / 4


def test_a_short_training_says_nothing_about_a_long_one() -> None:
    durations = Durations()
    fit = case(workload="fit", epochs=1, dataset=DatasetRef("mine", "0" * 64, 600, 1))
    durations.add(fit.label, "fit", A.label, 7.0)
    assert durations.seconds(fit, A) == 7.0
    assert durations.seconds(replace(fit, epochs=20), A) == pytest.approx(OTHER_SECONDS + 20)


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
    assert not EnvironmentBuilder(tree, "gpu", Stop()).is_current("fake")
    (tree / "images" / "fake" / "requirements-cpu.txt").write_text("# changed\n")
    assert not EnvironmentBuilder(tree, "cpu", Stop()).is_current("fake")


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
    monkeypatch.setattr(docker_engine.shutil, "which", lambda _: None)
    client: Any = SimpleNamespace(info=lambda: facts)
    if ready:
        docker_engine.require_toolkit(client)
    else:
        with pytest.raises(NotReady, match="NVIDIA Container Toolkit"):
            docker_engine.require_toolkit(client)


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


def test_a_stop_ends_the_tries() -> None:
    stop = Stop()
    stop.request()
    with pytest.raises(Interrupted):
        with_retries(lambda: (_ for _ in ()).throw(BuildFailed("no", "timed out")), stop)


def test_a_memory_limit_that_nothing_enforces_is_a_warning(tmp_path: Path, capsys: Any) -> None:
    tree = framework_tree(tmp_path)
    main(["bench", "--profile", "tiny", "--blocks", "1", "--engine", "venv", "--memory", "2"], tree)
    assert "--memory is not enforced with ENGINE=venv" in capsys.readouterr().err


def test_no_gpu_is_refused_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "gpu_and_driver", lambda: (None, None))
    with pytest.raises(NotReady, match="DEVICE=cpu"):
        machine.require_gpu()


def test_a_full_disk_is_seen_before_anything_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(NotReady, match="make room"):
        machine.require_disk(tmp_path, 100, 0)


def test_shared_memory_is_probed_by_allocating_it() -> None:
    assert machine.shm_shortfall(4096) == ""
    assert "enlarge it" in machine.shm_shortfall(2**50)


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
