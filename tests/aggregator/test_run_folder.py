"""Strict loading: what is no record is named and left out, the rest is reported."""

import dataclasses
import functools
import json
import os
import re
import socket
from contextlib import contextmanager

import pytest
from make_records import TF, TORCH, make_records, make_run, planned, step_case, write_folder

from aggregator import cli
from aggregator.cli import main
from aggregator.commands.shared import OK, USAGE
from aggregator.judge.analysis import analyse
from aggregator.read.parse import BadRecord, NewerSchema, parse_record
from aggregator.read.run_folder import CannotReport, find_run, load_run
from aggregator.report import missing
from method.verdict import Verdict
from runners.harness.record import SCHEMA_VERSION, Status, to_json
from runners.harness.run import Pilot, Stopping, Warmup

RUN = make_run([planned(step_case(), [TORCH, TF], 2)])
RECORD = make_records(RUN)[0]
GOOD = to_json(RECORD)


def altered(record=RECORD, **changes):
    """The record's JSON with some top-level or dotted fields replaced."""
    document = json.loads(to_json(record))
    for name, value in changes.items():
        *path, last = name.split("__")
        target = document
        for part in path:
            target = target[part]
        target[last] = value
    return json.dumps(document).encode()


def test_a_good_record_is_read_back_as_written():
    assert parse_record(GOOD) == RECORD


@pytest.mark.parametrize(
    ("data", "offset", "word"),
    [
        (b"", 0, "truncated"),
        (GOOD[:500], None, "truncated"),
        (b"\xef\xbb\xbf" + GOOD, 0, "byte order mark"),
        (b'{"a": "\xff"}', 7, "UTF-8"),
        (b'{"a": 1} garbage', 9, "not JSON"),
        (b"[1, 2]", 0, "not a JSON object"),
        (b"[" * 200_000, 0, "nested"),
        (altered(unknown={"a": functools.reduce(lambda inner, _: [inner], range(900), 0)}), 0, "nested"),
        (b"{}", None, "not a record"),
        (altered(case__batch_size="8"), None, "batch_size"),
        (altered(case__batch_size=0), None, "not a record: case.batch_size: 0 is no batch"),
        (altered(case__batch_size=-8), None, "not a record: case.batch_size: -8 is no batch"),
        (altered(case__batch_size=-(10**30)), None, "not a record: case.batch_size: beyond 64 bits"),
        (altered(surprise=1), None, "surprise"),
        (altered(block__number=-1), None, "negative"),
        (altered(schema_version=0), None, "never published"),
        (GOOD.replace(b'"status": "ok"', b'"status": "failed", "status": "ok"'), None, "'status' stands twice"),
        (GOOD.replace(b'"import_ns"', b'"setup_ns": 9, "import_ns"'), None, "'setup_ns' stands twice"),
        (GOOD + b"\0" * 512, len(GOOD), "not JSON"),
        (b"\0" * 4096, 0, "not JSON"),
        (GOOD.decode().encode("utf-16"), 0, "UTF-8"),
        (GOOD.decode().encode("utf-16-le"), 1, "not JSON"),
        (GOOD + GOOD, len(GOOD), "not JSON"),
        (b'{"schema_version": ' + b"9" * 5000 + b"}", 0, "not JSON"),
    ],
)
def test_what_is_no_record_is_refused_with_its_offset(data, offset, word):
    with pytest.raises(BadRecord, match=word) as caught:
        parse_record(data)
    if offset is not None:
        assert caught.value.offset == offset


def test_the_offset_counts_bytes_not_characters():
    with pytest.raises(BadRecord) as caught:
        parse_record('{"ä": x}'.encode())
    assert caught.value.offset == 7


@pytest.mark.parametrize("literal", [b"1e999", b"-1e999", b"NaN", b"Infinity", b"1e18"])
def test_a_number_that_is_no_integer_of_json_makes_the_record_invalid(literal):
    record = parse_record(re.sub(rb'("import_ns": )\d+', rb"\g<1>" + literal, GOOD))
    assert record.status is Status.INVALID


@pytest.mark.parametrize("time", [0, -5, True, "12", 1.5, float("nan"), float("inf"), None, 2**63, 10**400])
def test_a_time_that_is_no_positive_integer_makes_the_record_invalid(time):
    record = parse_record(altered(samples__step_ns=[*RECORD.samples.step_ns[:-1], time]))
    assert record.status is Status.INVALID
    assert (record.case, record.competitor) == (RECORD.case, RECORD.competitor)
    assert "samples" in record.error.message


@pytest.mark.parametrize(
    "changes",
    [
        {"samples__warmup_steps": 81},
        {"samples__warmup_steps": 80},
        {"samples__items_per_step": 0},
        {"samples__import_ns": 0},
        {"resources__rss_peak_bytes": -1},
        {"resources__cpu_seconds": -0.5},
        {"samples__flops_per_step": 0},
        {"samples__bytes_per_step": -4},
        {"samples__flops_per_step": 2**63},
        {"samples__flops_per_step": 1e9},
        {"samples__compiler_cache": "lukewarm"},
        {"samples__stage_items": {"epoch": 240}},
        {"samples__stage_ns": {"epoch": 10**9}, "samples__stage_items": {"epoch": 0}},
        {"samples__stage_ns": {"epoch": 10**9}, "samples__stage_items": {"epoch": 2**63}},
        {"samples__stage_ns": {"epoch": 10**9}, "samples__stage_items": {"epoch": 1.5}},
        {"samples__pipeline": [{"name": "decode", "workers": 0, "tasks": 1, "busy_ns": 5}]},
        {"samples__pipeline": [{"name": "decode", "workers": 1, "tasks": -1, "busy_ns": 5}]},
        {"samples__pipeline": [{"name": "decode", "workers": 1, "tasks": 1, "busy_ns": -5}]},
        {"samples__pipeline": [{"name": "decode", "workers": 1, "tasks": 1, "busy_ns": 2**63}]},
        {"samples__pipeline": [{"name": 7, "workers": 1, "tasks": 1, "busy_ns": 5}]},
        {"samples": None},
        {"resources__cpu_seconds": float("inf")},
        {"check__surprise": 1},
    ],
)
def test_impossible_evidence_makes_the_record_invalid(changes):
    assert parse_record(altered(**changes)).status is Status.INVALID


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("health__steal_fraction", 1e300, "health.steal_fraction: 1e+300 is no share"),
        ("health__steal_fraction", -0.01, "health.steal_fraction: -0.01 is no share"),
        ("health__others_cpu_fraction", 1.01, "health.others_cpu_fraction: 1.01 is no share"),
        ("health__pressure_some_fraction", 2.01, "health.pressure_some_fraction: 2.01 is no share"),
        ("health__mhz_high", 1e300, "health.mhz_high: 1e+300 is no clock of a CPU"),
        ("check__accuracy", 1e300, "check.accuracy: 1e+300 is no share"),
        ("host__memory_bytes", -1, "host.memory_bytes: -1 is negative"),
        ("host__cpus", 0, "host.cpus: 0 is not positive"),
        ("host__cpus", 10**30, "host.cpus: beyond 64 bits"),
    ],
)
def test_evidence_that_cannot_be_is_named_and_dropped(field, value, said):
    record = parse_record(altered(**{field: value}))
    assert (record.status, record.error.kind, record.error.message) == (Status.INVALID, "INVALID", said)
    assert not record.failed_check
    kept = {name for name in ("effective", "check", "host", "health") if getattr(record, name) is not None}
    assert kept == {"effective", "check", "host", "health"} - {field.partition("__")[0]}


def test_another_precision_than_asked_for_is_a_failed_check_not_damage(tmp_path):
    run = make_run([planned(step_case(), [TORCH, TF], 9)])
    records = make_records(run)
    folder = write_folder(tmp_path / "r", run, records)
    (folder / f"records/{records[3].record_id}.json").write_bytes(altered(records[3], effective__precision="fp16"))
    [environment] = analyse([load_run(folder)])
    [comparison] = environment.cases[0].comparisons
    assert comparison.verdict is Verdict.NOT_COMPARABLE
    assert comparison.incomparable.endswith("PRECISION: effective.precision: fp16, asked for was fp32")


@pytest.mark.parametrize("share", [0.0, 1.0, None])
def test_a_share_may_be_all_or_nothing(share):
    record = parse_record(altered(health__steal_fraction=share, health__pressure_some_fraction=share and 1.02))
    assert record.status is Status.OK


DAMAGE = [
    {"samples__step_ns": [0] * 80},
    {"samples__first_step_ns": -5},
    {"samples__import_ns": "1"},
    {"samples": None},
    {"check__losses": "none"},
    {"host__cpus": 10**30},
    {"effective__visible_cpus": 10**30},
]


@pytest.mark.parametrize("changes", DAMAGE)
def test_a_damaged_record_costs_its_block_and_no_more(tmp_path, changes):
    """It stays with its run even where it names an impossible machine; the other blocks are compared."""
    run = make_run([planned(step_case(), [TORCH, TF], 9)])
    records = make_records(run, lambda _, who: {TORCH: 0.05, TF: 0.10}[who])
    folder = write_folder(tmp_path / "r", run, records)
    (folder / f"records/{records[3].record_id}.json").write_bytes(altered(records[3], **changes))
    [environment] = analyse([load_run(folder)])
    assert len(environment.records) == 18
    [comparison] = environment.cases[0].comparisons
    assert (comparison.verdict, comparison.paired.n) == (Verdict.SLOWER, 8)
    [failed] = missing.failures([environment], {comparison.case: "case"})
    assert (failed.kind, records[3].record_id in failed.what) == ("INVALID", True)
    for form in ("csv", "parquet"):
        assert main(["export", str(folder), "--format", form, "--out", str(tmp_path / form)]) == OK


def test_a_path_that_is_not_utf8_in_a_command_does_not_cost_the_record():
    record = parse_record(altered(command=["--data", "/data/\udcff"]))
    assert record.status is Status.OK
    assert record.command[1] != "/data/\udcff"


def test_a_newer_schema_asks_for_an_upgrade(tmp_path):
    with pytest.raises(NewerSchema, match=f"version {SCHEMA_VERSION + 1}"):
        parse_record(altered(schema_version=SCHEMA_VERSION + 1, something_new={}))
    write_folder(tmp_path / "r", RUN, [RECORD])
    (tmp_path / "r/records/newer.json").write_bytes(altered(schema_version=SCHEMA_VERSION + 1))
    with pytest.raises(CannotReport, match=rf"newer\.json.*version {SCHEMA_VERSION + 1}.*upgrade"):
        load_run(tmp_path / "r")


NEW_IN_6 = {"samples": ("pipeline",)}
NEW_IN_5 = {"samples": ("stage_items",)}
NEW_IN_3 = {"samples": ("flops_per_step", "bytes_per_step", "compiler_cache"), "competitor": ("version",)}
NEW_IN_2 = {
    "samples": ("group_ns", "group_steps", "injected_slowdown"),
    "competitor": ("alias",),
    "health": ("threads", "others_cpu_fraction", "gpu_limits"),
}


@pytest.mark.parametrize(
    ("version", "later"),
    [
        (5, [NEW_IN_6]),
        (4, [NEW_IN_5, NEW_IN_6]),
        (2, [NEW_IN_3, NEW_IN_5, NEW_IN_6]),
        (1, [NEW_IN_2, NEW_IN_3, NEW_IN_5, NEW_IN_6]),
    ],
)
def test_an_older_schema_is_read(version, later):
    document = json.loads(altered(schema_version=version))
    for part, names in ((part, names) for fields in later for part, names in fields.items()):
        for name in names:
            del document[part][name]
    samples = RECORD.samples
    if NEW_IN_3 in later:
        samples = dataclasses.replace(samples, flops_per_step=None, bytes_per_step=None)
    expected = dataclasses.replace(RECORD, schema_version=version, samples=samples)
    assert parse_record(json.dumps(document).encode()) == expected


def test_a_version_that_is_no_text_is_no_record():
    with pytest.raises(BadRecord, match="version"):
        parse_record(altered(competitor__version=2.16))


def test_bad_files_are_named_and_the_rest_is_kept(tmp_path):
    folder = write_folder(tmp_path / "r", RUN, make_records(RUN))
    records = folder / "records"
    (records / "cut.json").write_bytes(GOOD[:300])
    (records / "again.json").write_bytes(altered(record_id="run-1-again"))
    (records / "foreign.json").write_bytes(altered(record_id="foreign", run_id="run-9"))
    (records / "link.json").symlink_to(records / f"{RECORD.record_id}.json")
    (records / "zero.json").symlink_to("/dev/zero")
    (records / "loop.json").symlink_to("loop.json")
    (records / "folder.json").mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(records / "socket.json"))
    os.mkfifo(records / "pipe.json")
    (records / "notes.txt").write_text("not looked at")
    found = load_run(folder)
    assert len(found.records) == 4
    reasons = {item.file: item.reason for item in found.quarantined}
    odd = {"link.json", "zero.json", "loop.json", "folder.json", "socket.json", "pipe.json"}
    assert reasons.keys() == odd | {"again.json", "cut.json", "foreign.json"}
    assert reasons["again.json"] == f"a further attempt at the replicate that {RECORD.record_id}.json is about"
    assert reasons["foreign.json"] == "belongs to run run-9, not run-1"
    assert all("links are not followed" in reasons[name] for name in odd)


def test_an_untouched_copy_of_a_record_is_ignored_and_counted(tmp_path, capsys):
    folder = write_folder(tmp_path / "r", RUN, make_records(RUN))
    (folder / "records/copy.json").write_bytes(GOOD)
    (folder / "records/zcopy.json").write_bytes(json.dumps(json.loads(GOOD)).encode())
    found = load_run(folder)
    assert (len(found.records), found.quarantined, found.duplicates) == (4, (), 2)
    assert main(["report", str(folder)]) == OK
    assert "2 duplicate files ignored" in (folder / "report.md").read_text()
    main(["audit", str(folder)])
    assert "4 records, 2 duplicate files ignored" in capsys.readouterr().out


def test_two_files_of_one_record_that_differ_are_both_named_and_neither_counts(tmp_path):
    folder = write_folder(tmp_path / "r", RUN, make_records(RUN))
    changed = altered(samples__step_ns=[RECORD.samples.step_ns[0] + 1, *RECORD.samples.step_ns[1:]])
    (folder / "records/copy.json").write_bytes(changed)
    found = load_run(folder)
    own = f"{RECORD.record_id}.json"
    assert RECORD.record_id not in {record.record_id for record in found.records}
    assert {item.file: item.reason for item in found.quarantined} == {
        own: "differs from copy.json, of the same record_id",
        "copy.json": f"differs from {own}, of the same record_id",
    }


def test_a_huge_file_is_not_read(tmp_path):
    folder = write_folder(tmp_path / "r", RUN, [RECORD])
    with (folder / "records/huge.json").open("wb") as file:
        file.truncate(2**30)
    assert "larger than 33,554,432 bytes" in load_run(folder).quarantined[0].reason


def test_a_replicate_tried_again_counts_once_and_by_its_success(tmp_path):
    failed = dataclasses.replace(RECORD, record_id="first-try", status=Status.FAILED, error=None)
    found = load_run(write_folder(tmp_path / "r", None, [failed, RECORD]))
    assert [record.record_id for record in found.records if record.status is Status.OK] == [RECORD.record_id]


def test_a_missing_run_names_the_nearest(tmp_path):
    (tmp_path / "results/2026-01-02-quick").mkdir(parents=True)
    with pytest.raises(CannotReport, match="did you mean 2026-01-02-quick"):
        find_run("2026-01-02-quik", tmp_path / "results")
    assert find_run("2026-01-02-quick", tmp_path / "results").is_dir()


COMMANDS = {
    "report": ["report", "{}"],
    "merge": ["merge", "{}", "{}", "--out", "out"],
    "publish": ["publish", "{}", "--site", "site"],
    "audit": ["audit", "{}"],
    "aa": ["aa", "{}"],
    "export": ["export", "{}", "--out", "out"],
    "compare": ["compare", "{}:pytorch/eager", "{}:tensorflow/graph"],
}


@contextmanager
def shut(folder):
    """A folder that one may not enter; root, who may enter every one, is somebody else meanwhile."""
    user, mode = os.geteuid(), folder.stat().st_mode
    folder.chmod(0)
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)
        folder.chmod(mode)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("x" * 300, "cannot be read (File name too long)"),
        ("shut/run", "shut/run: cannot be read (Permission denied)"),
        ("shut", "cannot be read (Permission denied)"),
        ("", "a run's name is empty"),
    ],
)
def test_a_run_that_cannot_be_looked_at_is_said_by_every_command(tmp_path, monkeypatch, capsys, command, name, said):
    write_folder(tmp_path / "shut/run", RUN, [RECORD])
    tmp_path.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    cli.command(command)  # whoever somebody else is, the libraries need not be theirs to read
    with shut(tmp_path / "shut"):
        assert main([word.format(name) for word in COMMANDS[command]]) == USAGE
    assert said in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["shut"]


def test_a_folder_with_nothing_in_it_cannot_be_reported(tmp_path):
    with pytest.raises(CannotReport, match="no records"):
        load_run(tmp_path)


RULE = Stopping(most_blocks=12, every=2, half_width=0.02)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"stopping": RULE, "extensions": [1]}, "a case that does not exist"),
        ({"stopping": dataclasses.replace(RULE, every=0)}, "fewer than one block"),
        ({"stopping": dataclasses.replace(RULE, half_width=-1.0)}, "half_width"),
        ({"budget_seconds": 0.0}, "budget_seconds"),
        ({"cases": [planned(step_case(), [TORCH, TF], 10**12)]}, "blocks: not between"),
        ({"cases": [planned(step_case(), [TORCH, TF], -1)]}, "blocks: not between"),
    ],
)
def test_a_plan_that_no_run_can_have_had_is_not_followed(tmp_path, changes, said):
    found = load_run(write_folder(tmp_path / "r", dataclasses.replace(RUN, **changes), [RECORD]))
    assert found.plan is None
    assert said in found.problems[0]


def test_a_warm_up_that_all_programs_shared_is_read_as_the_warm_up_of_each(tmp_path):
    folder = write_folder(tmp_path / "r", RUN, [RECORD])
    described = json.loads((folder / "run.json").read_text())
    named = [dataclasses.asdict(one) for one in (TORCH, TF, TORCH)]
    pilots = [{"competitor": one, "steps": 80, "unsettled": at, "settled": True} for at, one in enumerate(named, 1)]
    for case in described["cases"]:
        del case["warmups"]
        case["warmup"] = {"pilots": pilots, "warmup_steps": 5, "kept_steps": 60}
    (folder / "run.json").write_text(json.dumps({**described, "run_version": 3}))
    found = load_run(folder)
    assert found.problems == ()
    torch, tf = Warmup(TORCH, [Pilot(80, 1, True), Pilot(80, 3, True)], 5, 60), Warmup(TF, [Pilot(80, 2, True)], 5, 60)
    assert all(case.warmups == [torch, tf] for case in found.plan.cases)
    for odd in ({"warmup": 3}, {"warmup": {"pilots": [1]}}, {"warmup": {}}):
        (folder / "run.json").write_text(json.dumps({**described, "run_version": 3, "cases": [odd]}))
        assert "run.json is not valid" in load_run(folder).problems[0]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"run_version": 1}', '{"run_id": "a", "run_id": "b"}'])
def test_a_broken_plan_is_a_problem_not_an_end(tmp_path, text):
    folder = write_folder(tmp_path / "r", None, [RECORD])
    (folder / "run.json").write_text(text)
    found = load_run(folder)
    assert found.plan is None
    assert "run.json" in found.problems[0]
    assert len(found.records) == 1


@pytest.mark.parametrize("field", ["number", "position"])
def test_a_place_that_no_run_reaches_is_no_record(field):
    with pytest.raises(BadRecord, match="beyond"):
        parse_record(altered(**{f"block__{field}": 10**12}))
