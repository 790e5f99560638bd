"""Reading member by member gives what the ordinary way gives, and leaves to it what is laid out otherwise."""

import json

import pytest
from make_records import TORCH, make_record, step_case
from whole_runs import mixed_run, nasty_records

from aggregator.read import members
from aggregator.read.members import read_members
from aggregator.read.parse import parse_record
from aggregator.read.schema import record_adapter
from runners.harness.record import to_json

ORDINARY = record_adapter().validate_json


def a_text():
    return to_json(make_record(step_case("cnn4", 8), TORCH, 0, 0)).decode()


@pytest.mark.parametrize("run", [mixed_run, nasty_records])
def test_what_was_written_reads_the_same_either_way(run):
    for record in run()[1]:
        data = to_json(record)
        found = read_members(data)
        assert found is not None
        assert found[0] == ORDINARY(data)
        assert vars(found[0]).keys() == vars(ORDINARY(data)).keys()


def test_what_replicates_repeat_is_read_once():
    first, second = (read_members(to_json(make_record(step_case("cnn4", 8), TORCH, n, n)))[0] for n in range(2))
    assert first.case is second.case
    assert first.host is second.host
    assert first.samples is not second.samples


def test_the_very_first_file_may_lack_a_value():
    """Nothing has been read yet that it could be taken for."""
    members._readers.cache_clear()
    assert read_members(a_text().replace('"error": null', '"error": ').encode()) is None


def moved(text):
    fields = json.loads(text)
    return json.dumps({"run_id": fields.pop("run_id"), **fields}, indent=1) + "\n"


@pytest.mark.parametrize("change", [
    lambda text: json.dumps(json.loads(text)) + "\n",
    lambda text: json.dumps(json.loads(text), indent=2) + "\n",
    moved,
    lambda text: text.replace('\n "unknown": {}', '\n "unknown": {}, "unknown": {}'),
    lambda text: text.replace('\n "unknown": {}', '\n "unknown": {\n "history": null\n }'),
    lambda text: text.replace('\n "history": null,', '\n "history": null,\n "history": null,'),
    lambda text: text.replace('\n "run_id": "', '\n "run_id": "\\u006e'),
    lambda text: text.replace('\n "status": "ok",', '\n "status": "ok"\n,'),
    lambda text: "\ufeff" + text,
    lambda text: text + " ",
    lambda text: text.replace("{", "[{", 1),
    lambda text: text[:-3],
])  # fmt: skip
def test_another_layout_is_read_as_the_ordinary_way_reads_it(change):
    """A record, or an error: the same one whichever way is tried first."""
    data = change(a_text()).encode()
    found = read_members(data)
    try:
        ordinary = ORDINARY(data)
    except ValueError:
        assert found is None
    else:
        assert found is None or found[0] == ordinary


@pytest.mark.parametrize(("field", "value"), [
    ("schema_version", "6"), ("schema_version", 6.0), ("status", "fine"), ("run_id", None), ("command", "python"),
    ("unknown", {"a": 1}), ("host", {"cpus": 2}), ("samples", {"step_ns": ["1"]}), ("case", None), ("block", []),
    ("error", {"kind": "X"}), ("health", {"warnings": 1}), ("resources", 5), ("record_id", 7),
])  # fmt: skip
def test_a_member_of_another_type_is_left_to_the_ordinary_way(field, value):
    data = (json.dumps({**json.loads(a_text()), field: value}, indent=1) + "\n").encode()
    assert read_members(data) is None
    with pytest.raises(ValueError, match=field):
        ORDINARY(data)


@pytest.mark.parametrize("member", ['"step_ns": [\n   {},', '"cpus": {},'])
def test_a_number_beyond_64_bits_is_seen_in_what_is_read_anew_and_in_what_is_remembered(member):
    start = member.split("{}")[0]
    text = a_text()
    at = text.index(start) + len(start)
    end = text.index(",", at)
    data = f"{text[:at]}{2**63}{text[end:]}".encode()
    for _ in range(2):
        assert "beyond 64 bits" in next(iter(read_members(data)[1].values()))
        assert parse_record(data).status == "invalid"
    assert not read_members(text.encode())[1]
