"""The site: reports, an index over all runs, a history that needs no records, and a folder that is nobody else's."""

import dataclasses
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest
from make_records import HOST, TF, TORCH, failed, make_run, planned, scheduled, step_case, write_folder

from aggregator.cli import main
from aggregator.commands.shared import NOT_WRITABLE, OK, SOME_FAILED, USAGE
from aggregator.read.parse import parse_record
from aggregator.report.figures import charts
from aggregator.site.summary import SUMMARY_VERSION
from runners.harness.record import Status, to_json

CASE, OTHER = step_case("cnn4", 1), step_case("cnn4", 2)
BLANK = '<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"><rect width="1" height="1"/></svg>'
NASTY = '"><img src=x onerror=alert(1)><script>alert(1)</script>../\x1b\u202e'


@pytest.fixture(autouse=True)
def blank_figures(monkeypatch):
    """Figures cost time; few of these tests are about them."""
    monkeypatch.setattr(charts.vl_convert, "vegalite_to_svg", lambda *_, **__: BLANK)


def a_run(folder, name, slower=1.2, day=2, machine="one", cases=(CASE,), pair=(TORCH, TF), **more):
    """A run in which TensorFlow takes `slower` times as long."""
    run = make_run([planned(case, list(pair), 8) for case in cases], run_id=name)
    run = dataclasses.replace(run, **{"started_at": f"2026-01-{day:02}T03:04:05Z", **more})
    records = scheduled(run, lambda _, who: 0.05 * (slower if who == TF else 1), scatter=0.004)
    where = dataclasses.replace(HOST, hostname_digest=machine * 4)
    placed = [dataclasses.replace(one, host=dataclasses.replace(where, packages=one.host.packages)) for one in records]
    return str(write_folder(folder / name, run, placed))


def publish(tmp_path, *runs, code=OK):
    """The site's first page after publishing."""
    assert main(["publish", *runs, "--site", str(tmp_path / "site")]) == code
    return (tmp_path / "site/index.html").read_text()


def contents(folder):
    """Every file's bytes."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def change_records(tmp_path, folder, change):
    """A copy of the run with its records changed."""
    records = [parse_record(path.read_bytes()) for path in sorted(Path(folder, "records").iterdir())]
    copy = shutil.copytree(folder, tmp_path / "changed" / Path(folder).name)
    for record in records:
        (copy / "records" / f"{record.record_id}.json").write_bytes(to_json(change(record)))
    return str(copy)


def history_rows(page):
    """The cells of each row of the history's tables, heads included."""
    table = page.split('id="history"')[1].split("<figure>")[0]
    rows = re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)
    return [[re.sub(r"<[^>]+>", "", cell).strip() for cell in re.findall(r"<t[hd].*?</t[hd]>", row)] for row in rows]


def test_runs_that_come_one_by_one_give_the_same_site_as_all_at_once(tmp_path):
    runs = [a_run(tmp_path, f"r{day}", 1.1 + day / 10, day) for day in (1, 2, 3)]
    for run in (runs[1], runs[0], runs[2]):
        page = publish(tmp_path, run)
    assert main(["publish", *runs, "--site", str(tmp_path / "other")]) == OK
    sites = [
        {path.relative_to(site).as_posix(): path.read_bytes() for path in site.rglob("*") if path.is_file()}
        for site in (tmp_path / "site", tmp_path / "other")
    ]
    assert sites[0] == sites[1]
    assert {".nojekyll", "index.html", "runs/r1/report.html", "runs/r2/report.md", "runs/r3/summary.json"} <= set(
        sites[0]
    )
    assert [path for path in sites[0] if path.startswith("runs/r1/figures/")]
    assert re.findall(r'<h3><a href="runs/(r\d)/report.html">', page) == ["r3", "r2", "r1"]


def test_the_index_says_what_each_run_was(tmp_path):
    page = publish(tmp_path, a_run(tmp_path, "r"))
    for said in (
        "2026-01-02 03:04 UTC",
        "<dt>profile</dt><dd>quick</dd>",
        "<dt>machine</dt><dd>Example CPU 2 GHz, 2 CPUs, 24 GiB, venv</dd>",
        "<dt>pytorch</dt><dd>pytorch 2.0</dd>",
        "<dt>replicates</dt><dd>16 ok of 16 recorded</dd>",
        "Inference step, 1 case: pytorch (eager) wins 1.",
    ):
        assert said in page
    assert "None yet: a history needs two runs of one machine" in page
    assert "<script" not in page
    assert "default-src 'none'" in page


def facts(page, run):
    """The facts of a run on the index, by name: each a list of lines."""
    entry = page.split(f'<h3><a href="runs/{run}/report.html">')[1].split("</li>\n")[0]
    found = re.findall(r"<dt>(.*?)</dt>((?:<dd>.*?</dd>)+)", entry)
    return {name: re.findall(r"<dd>(.*?)</dd>", lines) for name, lines in found}


def test_a_run_on_several_types_of_node_has_a_line_for_each(tmp_path):
    def placed(record):
        node = record.block.number % 4
        more = {"hostname_digest": f"{node}" * 6, "engine": "slurm", "cpu_model": f"CPU {'AB'[node % 2]}"}
        return dataclasses.replace(record, host=dataclasses.replace(record.host, **more))

    runs = [change_records(tmp_path, a_run(tmp_path, name, day=day), placed) for name, day in (("r", 2), ("s", 3))]
    page = publish(tmp_path, *runs)
    assert sorted(facts(page, "r")["machine"]) == [f"CPU {kind}, 2 CPUs, 24 GiB, slurm" for kind in "AB"]
    assert "On both machines pytorch (eager) runs cnn4 fastest." in page
    # The nodes of a type may change from run to run; the history is that of the type.
    assert re.findall(r"<h3>(CPU .*?)</h3>", page) == ["CPU A, slurm", "CPU B, slurm"]


def test_runs_of_the_same_cases_on_other_machines_are_found_together(tmp_path):
    runs = [
        a_run(tmp_path, "here", day=1, cases=(CASE, OTHER)),
        a_run(tmp_path, "old", day=2, machine="two"),
        a_run(tmp_path, "new", day=3, machine="two"),
        a_run(tmp_path, "again", day=4),
        a_run(tmp_path, "third", day=5, machine="three", cases=(CASE, OTHER)),
        a_run(tmp_path, "apart", day=6, machine="four", cases=(step_case("vgg16", 1),)),
        a_run(tmp_path, "long", day=7, machine="five", profile="full"),
    ]
    page = publish(tmp_path, *runs)
    machine = "Example CPU 2 GHz, 2 CPUs, 24 GiB, venv"
    assert facts(page, "here")["other machines"] == [
        f'<a href="runs/third/report.html">third</a> on {machine} (2 common cases)',
        f'<a href="runs/new/report.html">new</a> on {machine} (1 common case)',
    ]
    for name in ("apart", "long"):
        assert "other machines" not in facts(page, name)


def test_the_index_shows_the_card_of_each_run_that_has_one(tmp_path):
    runs = [a_run(tmp_path, f"r{day}", day=day) for day in (1, 2, 3)]
    page = publish(tmp_path, *runs)
    shown = re.findall(r'<img src="(runs/r\d/card.png)" alt="(Report r\d: [^"]+)"', page)
    assert [src for src, _ in shown] == ["runs/r3/card.png", "runs/r2/card.png", "runs/r1/card.png"]
    assert all((tmp_path / "site" / src).is_file() for src, _ in shown)
    assert "img-src 'self'" in page
    # A run that was published by an older version has none, and a link is not shown.
    (tmp_path / "site/runs/r1/card.png").unlink()
    card = tmp_path / "site/runs/r2/card.png"
    card.unlink()
    card.symlink_to(tmp_path / "site/runs/r3/card.png")
    page = publish(tmp_path, runs[2])
    assert re.findall(r'<img src="([^"]+)"', page) == ["runs/r3/card.png"]


def test_the_history_has_each_run_of_a_machine_and_judges_no_change(tmp_path, monkeypatch):
    monkeypatch.undo()
    runs = [a_run(tmp_path, "old", 1.2, 1), a_run(tmp_path, "new", 1.6, 2, pair=(TF, TORCH))]
    page = publish(
        tmp_path, *runs, a_run(tmp_path, "apart", 3.0, 3, cases=(OTHER,)), a_run(tmp_path, "far", 5.0, 4, "two")
    )
    heads, *versions, row = history_rows(page)
    # What was measured once, or on another machine, is no history.
    assert heads == ["case", "compared", "2: new", "1: old"]
    assert [cells[0] for cells in versions] == ["pytorch", "tensorflow"]
    assert row[1] == "pytorch/eager compared with tensorflow/graph"
    assert [float(cell.split("×")[0]) for cell in row[2:]] == [
        pytest.approx(1.6, rel=0.01),
        pytest.approx(1.2, rel=0.01),
    ]
    assert all(re.fullmatch(r"[\d.]+× [\d.]+–[\d.]+, n 8", cell) for cell in row[2:])
    assert "no verdict on how a ratio changed" in page
    [drawn] = re.findall(r"<figure>.*?</figure>", page, re.DOTALL)
    assert drawn.count("infer · cnn4 · 224 px, batch 1") == 1
    assert "pytorch/eager compared with tensorflow/graph" in drawn


def test_what_is_undecided_or_not_comparable_says_so_in_the_history(tmp_path):
    runs = [a_run(tmp_path, f"r{day}", 1.2, day) for day in (1, 2, 3)]
    publish(tmp_path, *runs)
    for name, change in (("r1", {"verdict": "undecided"}), ("r2", {"verdict": "not comparable", "shown": None})):
        path = tmp_path / f"site/runs/{name}/summary.json"
        kept = json.loads(path.read_text())
        kept["places"][0]["contests"][0] |= change
        path.write_text(json.dumps(kept))
    row = history_rows(publish(tmp_path, runs[2]))[-1]
    assert row[4].endswith(", n 8, undecided")
    assert row[3] == "– not comparable"


def test_a_run_published_again_is_replaced_and_another_of_its_name_refused(tmp_path, capsys):
    publish(tmp_path, a_run(tmp_path / "x", "r", 1.2))
    page = publish(tmp_path, a_run(tmp_path / "y", "r", 1.5, profile="longer"))
    assert page.count("<li><h3>") == 1
    assert "longer" in page
    publish_again = ["publish", a_run(tmp_path / "z", "r", 1.5, machine="two"), "--site", str(tmp_path / "site")]
    assert main(publish_again) == USAGE
    assert "another run has the id r" in capsys.readouterr().err


def test_a_run_published_again_leaves_no_figure_of_before(tmp_path):
    run = a_run(tmp_path, "r")
    publish(tmp_path, run)
    figures = tmp_path / "site/runs/r/figures"
    drawn = {path.name for path in figures.iterdir()}
    (figures / "samples-case-9-0123456789.svg").write_text(BLANK)
    publish(tmp_path, run)
    assert {path.name for path in figures.iterdir()} == drawn


def test_a_run_that_went_on_replaces_its_earlier_state_and_never_the_other_way_round(tmp_path, capsys):
    whole = a_run(tmp_path, "r")
    early = shutil.copytree(whole, tmp_path / "early/r")
    for path in sorted((early / "records").iterdir())[4:]:
        path.unlink()
    publish(tmp_path, str(early), code=SOME_FAILED)
    assert "16 ok of 16 recorded" in publish(tmp_path, whole)
    before = contents(tmp_path / "site")
    publish(tmp_path, str(early), code=USAGE)
    assert "with 16 replicates, and here are 4 of them; the others would be lost" in capsys.readouterr().err
    assert contents(tmp_path / "site") == before


def all_failed(tmp_path):
    """The run as it would be had no process of it ended well: nobody knows on which machine."""
    return change_records(tmp_path, a_run(tmp_path / "f", "r"), lambda one: failed(one, Status.OOM, "OOM(host)", "x"))


def of_another_seed(tmp_path):
    folder = Path(a_run(tmp_path / "s", "r"))
    plan = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**plan, "order_seed": plan["order_seed"] + 1}))
    return str(folder)


@pytest.mark.parametrize(
    "other",
    [
        all_failed,
        of_another_seed,
        lambda tmp_path: a_run(tmp_path / "c", "r", cases=(OTHER,)),
        lambda tmp_path: a_run(tmp_path / "d", "r", day=3),
    ],
)
def test_another_run_of_the_same_id_replaces_nothing(tmp_path, capsys, other):
    publish(tmp_path, a_run(tmp_path, "r"))
    before = contents(tmp_path / "site")
    publish(tmp_path, other(tmp_path), code=USAGE)
    assert "another run has the id r" in capsys.readouterr().err
    assert contents(tmp_path / "site") == before


def test_a_run_without_its_plan_is_known_by_its_records(tmp_path):
    run = Path(a_run(tmp_path, "r"))
    (run / "run.json").unlink()
    for _ in range(2):
        publish(tmp_path, str(run), code=SOME_FAILED)


def test_what_the_site_kept_before_it_kept_more_is_read_on(tmp_path):
    runs = [a_run(tmp_path, name) for name in "ab"]
    publish(tmp_path, *runs)
    path = tmp_path / "site/runs/a/summary.json"
    kept = json.loads(path.read_text()) | {"summary_version": 1}
    del kept["order_seed"], kept["places"][0]["described"]
    path.write_text(json.dumps(kept))
    assert facts(publish(tmp_path, runs[1]), "a")["machine"] == ["Example CPU 2 GHz, venv"]
    assert 'href="runs/a/report.html"' in publish(tmp_path, *runs)


@pytest.mark.parametrize("content", [b"{", None])
def test_a_folder_that_does_not_say_whose_it_is_stays_as_it_is(tmp_path, capsys, content):
    run = a_run(tmp_path, "r")
    publish(tmp_path, run)
    path = tmp_path / "site/runs/r/summary.json"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    before = contents(tmp_path / "site")
    publish(tmp_path, run, code=USAGE)
    assert "nobody can tell which run is there; remove" in capsys.readouterr().err
    assert contents(tmp_path / "site") == before


def test_environments_that_differ_in_nothing_that_is_kept_are_kept_once(tmp_path):
    def moved(record):
        return dataclasses.replace(record, host=dataclasses.replace(record.host, kernel="7"))

    run = a_run(tmp_path, "r", pair=(TORCH,))
    run = change_records(tmp_path, run, lambda one: moved(one) if one.block.number > 3 else one)
    for _ in range(2):
        publish(tmp_path, run)


def test_an_interval_wider_than_a_site_shows_leaves_the_run_readable(tmp_path):
    run = make_run([planned(CASE, [TORCH, TF], 2)], run_id="r")
    records = scheduled(run, scatter=4.0)
    publish(tmp_path, str(write_folder(tmp_path / "r", run, records)))
    kept = json.loads((tmp_path / "site/runs/r/summary.json").read_text())
    assert [contest["shown"] for contest in kept["places"][0]["contests"]] == [None]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "whole file"),
        (b"[]", "whole file"),
        (None, "cannot be read"),
        ({"extra": 1}, "extra"),
        ({"run_id": "../../x"}, "is about another run"),
        ({"ok": "16"}, "ok"),
        ({"ok": -1}, "ok"),
        ({"ratio": 1e999}, "finite number"),
        ({"ratio": -1.0}, "places.0.contests.0.shown.ratio"),
        ({"ratio": 1e308}, "places.0.contests.0.shown.ratio"),
        ({"low": 1e-300}, "places.0.contests.0.shown.low"),
        ({"high": 1e7}, "places.0.contests.0.shown.high"),
        ({"ratio": 9.0}, "places.0.contests.0.shown: the ratio is not within its interval"),
        ({"low": 9.0, "high": 10.0}, "places.0.contests.0.shown: the ratio is not within its interval"),
        ({"ok": 17}, "ok: 17 of 16 recorded"),
        ({"summary_version": 0}, "summary_version"),
        ({"again": 1000}, "places: the same one twice"),
    ],
)
def test_a_bad_summary_is_named_and_left_out(tmp_path, capsys, content, reason):
    bad, good = (a_run(tmp_path, name, day=day) for name, day in (("bad", 1), ("good", 2)))
    publish(tmp_path, bad)
    path = tmp_path / "site/runs/bad/summary.json"
    if content is None:
        path.unlink()
    elif isinstance(content, bytes):
        path.write_bytes(content)
    else:
        kept = json.loads(path.read_text())
        shown = {"ratio", "low", "high"} & set(content)
        kept["places"][0]["contests"][0]["shown"] |= {name: content[name] for name in shown}
        kept |= {name: value for name, value in content.items() if name not in shown | {"again"}}
        kept["places"] *= content.get("again", 1)
        path.write_text(json.dumps(kept))
    page = publish(tmp_path, good, code=SOME_FAILED)
    said = capsys.readouterr().err
    assert "left out: runs/bad/summary.json" in said
    assert reason in said
    assert "runs/bad/summary.json" in page
    assert "runs/bad/report.html" not in page


def test_a_newer_summary_asks_for_an_upgrade(tmp_path, capsys):
    runs = [a_run(tmp_path, name) for name in "ab"]
    publish(tmp_path, runs[0])
    path = tmp_path / "site/runs/a/summary.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "summary_version": SUMMARY_VERSION + 1, "more": 1}))
    before = (tmp_path / "site/index.html").read_bytes()
    assert main(["publish", runs[1], "--site", str(tmp_path / "site")]) == USAGE
    assert "upgrade" in capsys.readouterr().err
    assert (tmp_path / "site/index.html").read_bytes() == before


@pytest.mark.parametrize(
    "name", ["..", ".hidden", "a b", "a/b", "../x", "<script>", "a\x1b", "", "x" * 101, "é", "a\n"]
)
def test_an_id_that_can_be_no_folder_is_refused_before_anything_is_written(tmp_path, name, capsys):
    run = make_run([planned(CASE, [TORCH, TF], 2)], run_id=name)
    folder = write_folder(tmp_path / "r", run, [])
    assert main(["publish", str(folder), "--site", str(tmp_path / "site")]) == USAGE
    assert "cannot be published under this id" in capsys.readouterr().err
    assert not (tmp_path / "site").exists()


def test_a_folder_of_somebody_else_is_left_alone(tmp_path, capsys):
    run, site = a_run(tmp_path, "r"), tmp_path / "site"
    (site / "runs").mkdir(parents=True)
    (site / "index.html").write_text("<p>mine</p>")
    assert main(["publish", run, "--site", str(site)]) == USAGE
    assert "which publish did not make; give --site an empty or a new folder" in capsys.readouterr().err
    assert (site / "index.html").read_text() == "<p>mine</p>"
    assert sorted(path.name for path in site.iterdir()) == ["index.html", "runs"]


def test_a_folder_whose_first_page_is_a_link_is_somebody_elses(tmp_path, capsys):
    run, site = a_run(tmp_path, "r"), tmp_path / "site"
    publish(tmp_path, run)
    shutil.move(site / "index.html", tmp_path / "page.html")
    (site / ".nojekyll").unlink()
    (site / "index.html").symlink_to(tmp_path / "page.html")
    assert main(["publish", run, "--site", str(site)]) == USAGE
    assert "which publish did not make; give --site an empty or a new folder" in capsys.readouterr().err


def test_a_checked_out_branch_of_pages_may_be_written_to(tmp_path):
    (tmp_path / "site/.git").mkdir(parents=True)
    (tmp_path / "site/CNAME").write_text("x.org")
    publish(tmp_path, a_run(tmp_path, "a"))
    # What carries a site from one job to another may drop files that start with a dot.
    (tmp_path / "site/.nojekyll").unlink()
    (tmp_path / "site/README.md").write_text("ours now, and what else is in it stays")
    publish(tmp_path, a_run(tmp_path, "b"))
    assert (tmp_path / "site/CNAME").read_text() == "x.org"
    assert (tmp_path / "site/README.md").exists()
    assert (tmp_path / "site/.nojekyll").exists()


def test_links_in_the_site_are_not_followed(tmp_path, capsys):
    run = a_run(tmp_path, "a")
    publish(tmp_path, run)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "site/runs/b").symlink_to(elsewhere)
    assert main(["publish", a_run(tmp_path, "b"), "--site", str(tmp_path / "site")]) == USAGE
    assert "is a link" in capsys.readouterr().err
    assert list(elsewhere.iterdir()) == []
    publish(tmp_path, run, code=SOME_FAILED)


def test_a_link_in_place_of_a_runs_figures_is_not_followed(tmp_path, capsys):
    run = a_run(tmp_path, "a")
    publish(tmp_path, run)
    figures, elsewhere = tmp_path / "site/runs/a/figures", tmp_path / "elsewhere"
    shutil.rmtree(figures)
    elsewhere.mkdir()
    (elsewhere / "mine.svg").write_text("mine")
    figures.symlink_to(elsewhere)
    publish_again = ["publish", run, "--site", str(tmp_path / "site")]
    assert main(publish_again) == USAGE
    assert "figures is a link, which publish does not follow; remove it" in capsys.readouterr().err
    assert [path.read_text() for path in elsewhere.iterdir()] == ["mine"]


def test_a_site_that_cannot_be_written_is_said(tmp_path, capsys):
    run = a_run(tmp_path, "r")
    (tmp_path / "file").write_text("")
    for site in ("/proc/nowhere", str(tmp_path / "file")):
        assert main(["publish", run, "--site", site]) == NOT_WRITABLE
        assert "give another --site DIR" in capsys.readouterr().err


class Links(HTMLParser):
    """Every address in a page, and every attribute that would run something."""

    def __init__(self):
        super().__init__()
        self.found, self.active, self.tags = [], [], set()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.found += [value for name, value in attrs if name in ("href", "src")]
        self.active += [name for name, _ in attrs if name.startswith("on")]


def test_hostile_strings_stay_text_in_the_site(tmp_path, monkeypatch):
    monkeypatch.undo()  # drawn for real: a control character would kill the drawing process
    case, odd = dataclasses.replace(CASE, network=NASTY), dataclasses.replace(TF, variant=NASTY)
    more = {"cases": (case,), "pair": (TORCH, odd), "profile": NASTY, "started_at": NASTY}
    runs = [a_run(tmp_path, f"r{number}", **more) for number in (1, 2, 3)]
    publish(tmp_path, *runs)
    for number in (1, 2):
        path = tmp_path / f"site/runs/r{number}/summary.json"
        kept = json.loads(path.read_text())
        place = kept["places"][0]
        extreme = {"ratio": 1e5, "low": 1e-6, "high": 1e6, "blocks": 8}
        names = {"case": NASTY, "digest": NASTY, "over": NASTY, "under": NASTY}
        place["contests"].append({**place["contests"][0], **names, "shown": extreme})
        place["contests"].append({**place["contests"][0], **names, "digest": NASTY[::-1]})
        place["versions"] = {NASTY: NASTY}
        path.write_text(json.dumps({**kept, "headline": [NASTY], "incomplete": [NASTY]}))
    page = publish(tmp_path, runs[2])
    links = Links()
    links.feed(page)
    assert not {"script", "iframe", "object"} & links.tags
    assert links.active == []
    assert all(re.fullmatch(r"#[\w-]+|runs/r\d/(report\.(html|md)|card\.png)", link) for link in links.found)
    assert not re.search("[\x00-\x08\x0b-\x1f\u202e]", page)
    assert "&lt;script&gt;" in page
    assert len(history_rows(page)) == 7  # heads, three programs, three comparisons though two have the same name
    assert page.count("<figure>") == 1


def test_a_report_names_the_whole_address_of_its_image_if_the_sites_is_given(tmp_path, capsys):
    run, site = a_run(tmp_path, "r1", 1.2, 1), tmp_path / "site"
    for address, image in (
        ([], "card.png"),
        (["--url", "https://me.example/bench"], "https://me.example/bench/runs/r1/card.png"),
        (["--url", "https://me.example/bench/"], "https://me.example/bench/runs/r1/card.png"),
    ):
        assert main(["publish", run, "--site", str(site), *address]) == OK
        page = (site / "runs/r1/report.html").read_text()
        assert f'<meta property="og:image" content="{image}">' in page
    for wrong in ("me.example", "javascript:alert(1)", 'https://me.example/"><script>', ""):
        with pytest.raises(SystemExit) as refused:
            main(["publish", run, "--site", str(site), "--url", wrong])
        assert refused.value.code == USAGE
        assert "give the site's address" in capsys.readouterr().err
