"""report.html in a real browser: what a reader does with it, and what a hostile record cannot do."""

import csv
import dataclasses
import io
import itertools
import json
import os
import re
import shutil

import pytest
from make_records import HOST, TF, TORCH, make_records, make_run, planned, step_case, write_folder
from markdown_it import MarkdownIt
from whole_runs import MARKUP, mixed_run, nasty_records

from aggregator.cli import main
from aggregator.report.page import packing

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or ""


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """report.html of the run with every kind of row, the same with its samples packed, and of the hostile run."""
    made = {}
    for name, run in (("mixed", mixed_run()), ("packed", mixed_run()), ("nasty", nasty_records())):
        folder = write_folder(tmp_path_factory.mktemp(name) / "r", *run)
        with pytest.MonkeyPatch.context() as patch:
            if name == "packed":
                patch.setattr(packing, "PLAIN", 0)
            main(["report", str(folder)])
        made[name] = (folder / "report.html").resolve()
    return made


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright  # here, since a machine without it has to read this file too

    with sync_playwright() as playwright:
        # A container's root has no user namespaces for Chromium's sandbox.
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


# Of what the page saves, the text: twenty downloads in a row are slow, and once one of them never began.
NOTE_SAVED = (
    "const make = URL.createObjectURL; URL.createObjectURL = (blob) => (window.saved = blob.text(), make(blob)); 0"
)
TYPES = {"mixed": "application/json", "packed": "text/plain"}


class Reader:
    """A page, everything that its console said, and every request beyond the file itself."""

    def __init__(self, browser, path, **options):
        self.context = browser.new_context(viewport={"width": 1280, "height": 900}, **options)
        self.context.grant_permissions(["clipboard-read", "clipboard-write"])
        self.page = self.context.new_page()
        self.said, self.asked = [], []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.said.append(dialog.message), dialog.dismiss()))
        self.address = path.as_uri()
        self.page.on("request", lambda request: self.asked.append(request.url.partition("#")[0]))
        self.page.goto(self.address)

    def table(self, name):
        return self.page.locator(f'table[aria-label^="{name}"]').first

    def column(self, table, number):
        """The texts of a column, of the rows shown."""
        rows = table.locator("tbody tr:not([hidden])")
        return [row.locator("th, td").nth(number).inner_text() for row in rows.all()]

    def save(self, button):
        with self.page.expect_download() as download:
            button.click()
        return download.value.suggested_filename, download.value.path().read_bytes().decode()


@pytest.fixture
def read(browser, pages):
    """Opens a page; at the end no console may have said anything and no request may have been made."""
    readers = []

    def opened(name="mixed", **options):
        readers.append(Reader(browser, pages[name], **options))
        return readers[-1]

    yield opened
    for reader in readers:
        assert reader.said == []
        assert {url for url in reader.asked if not url.startswith("blob:")} == {reader.address}
        reader.context.close()


@pytest.fixture(scope="module")
def checked(pages, tmp_path_factory):
    """The pages for which everybody's access is checked: also an A/A run, a merged report and a site's index."""
    folder = tmp_path_factory.mktemp("checked")
    sides = [dataclasses.replace(TORCH, alias=alias) for alias in "AB"]
    runs = {}
    for name, machine in (("self", 1), ("one", 1), ("two", 2), ("on", 1)):
        pair = sides if name == "self" else [TORCH, TF]
        run = make_run([planned(step_case("cnn4", size), pair, 8) for size in (1, 2)], run_id=name)
        where = dataclasses.replace(HOST, hostname_digest=f"{machine}" * 12, cpu_model=f"CPU {machine}")
        records = [dataclasses.replace(record, host=where) for record in make_records(run)]
        runs[name] = str(write_folder(folder / name, run, records))
    main(["report", runs["self"]])
    main(["merge", runs["one"], runs["two"], "--out", str(folder / "merged")])
    main(["publish", *runs.values(), "--site", str(folder / "site")])
    own = {"self": "self/report.html", "merged": "merged/report.html", "site": "site/index.html"}
    return {"mixed": pages["mixed"], "nasty": pages["nasty"]} | {name: folder / path for name, path in own.items()}


@pytest.mark.parametrize("name", ["mixed", "nasty", "self", "merged", "site"])
@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 390), ("dark", 390)])
def test_axe_finds_nothing_that_keeps_anybody_out(browser, checked, name, scheme, width):
    from axe_playwright_python.sync_playwright import Axe  # here, for the same reason as Playwright

    reader = Reader(browser, checked[name], color_scheme=scheme)
    reader.page.set_viewport_size({"width": width, "height": 900})
    reader.page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    found = Axe().run(reader.page).response["violations"]
    assert [(one["id"], one["impact"], [node["target"] for node in one["nodes"]]) for one in found] == []
    assert reader.page.evaluate("document.documentElement.scrollWidth") <= width
    assert reader.said == []
    reader.context.close()


@pytest.mark.parametrize("script", [True, False])
def test_the_machines_side_by_side_scroll_in_their_box_and_lead_to_their_cases(browser, checked, script):
    reader = Reader(browser, checked["merged"], java_script_enabled=script)
    reader.page.set_viewport_size({"width": 390, "height": 800})
    table = reader.table("The fastest, by case and machine")
    box = table.locator("xpath=..")
    before = [table.locator(where).first.bounding_box()["x"] for where in ("thead th", "tbody th", "td")]
    box.evaluate("box => box.scrollLeft = 60")
    after = [table.locator(where).first.bounding_box()["x"] for where in ("thead th", "tbody th", "td")]
    assert after[:2] == before[:2]
    assert after[2] < before[2]
    for place in (1, 2):
        link = table.locator(f"tbody tr:first-child td:nth-child({place + 1}) a")
        link.click()
        target = reader.page.locator(f'[id="{link.get_attribute("href")[1:]}"]')
        assert target.get_attribute("class").startswith("outcome")
        assert target.bounding_box()["y"] < 700
        assert reader.page.locator(f'[data-part="{place - 1}"]').locator(target).count() == 1
        reader.page.evaluate("scrollTo(0, 0)")
    rates = reader.table("Rates (images per second")
    assert not rates.is_visible()
    reader.page.emulate_media(media="print")
    assert rates.is_visible()
    assert reader.said == []
    reader.context.close()


def test_a_filter_finds_rows_of_the_machines_side_by_side(browser, checked):
    reader = Reader(browser, checked["merged"])
    reader.page.fill("input[name=q]", "batch 2")
    shown = reader.table("The fastest, by case and machine").locator("tbody tr:visible")
    assert [text.split("\t")[0] for text in shown.all_inner_texts()] == ["infer · cnn4 · 224 px, batch 2"]
    reader.page.select_option("select[name=times]", "relative")
    assert not reader.table("Each machine with its run").is_visible()
    assert reader.said == []
    reader.context.close()


def test_axe_would_find_something(browser, checked, tmp_path):
    from axe_playwright_python.sync_playwright import Axe

    path = tmp_path / "bad.html"
    path.write_text(checked["site"].read_text().replace(" alt=", " data-alt=").replace("<html lang", "<html data-lang"))
    reader = Reader(browser, path)
    found = {one["id"] for one in Axe().run(reader.page).response["violations"]}
    assert {"image-alt", "html-has-lang"} <= found
    reader.context.close()


def test_a_site_shows_its_cards_and_asks_for_nothing_else(browser, checked):
    reader = Reader(browser, checked["site"])
    reader.page.wait_for_function("[...document.images].every(one => one.complete)")
    widths = reader.page.evaluate("[...document.images].map(one => one.naturalWidth)")
    assert widths == [1200] * 4
    assert {url.partition("/site/")[2] for url in reader.asked} == {
        "index.html", *(f"runs/{name}/card.png" for name in ("self", "one", "two", "on"))
    }  # fmt: skip
    assert reader.said == []
    reader.context.close()


def test_a_hostile_record_does_nothing(read):
    reader = read("nasty")
    assert reader.page.locator("main img, main script, main iframe, main object").count() == 0
    assert reader.page.evaluate("document.scripts.length") == 3
    outside = reader.page.locator("a").evaluate_all("links => links.map(link => link.getAttribute('href'))")
    assert all(href.startswith("#") for href in outside)
    assert MARKUP in reader.page.locator("body").inner_text()
    # Every control in turn: what the script builds from hostile strings is inert too.
    for chooser in reader.page.locator("#tools select").all():
        for value in chooser.locator("option").evaluate_all("all => all.map(one => one.value)"):
            chooser.select_option(value)
    reader.page.get_by_role("button", name="Reset").click()
    for heading in reader.page.locator("thead .sort:visible").all():
        heading.click()
    for summary in reader.page.locator("summary:visible").all():
        summary.click()
    assert reader.page.evaluate("document.scripts.length") == 3
    assert reader.page.locator("main img").count() == 0


def test_a_hostile_record_stays_text_in_what_is_copied_and_downloaded(read):
    reader = read("nasty")
    reader.page.evaluate(NOTE_SAVED)
    tables = reader.page.locator("main table:visible")
    texts = []
    for tools in reader.page.locator(".tools:visible").all():
        tools.get_by_role("button", name="Copy as Markdown").click()
        texts.append(reader.page.evaluate("navigator.clipboard.readText()"))
        tools.get_by_role("button", name="CSV").click()
        text = reader.page.evaluate("window.saved")
        cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
        assert cells
        assert not [cell for cell in cells if re.match(r"[=+@\t\r]|-\D", cell)]
    assert len(texts) == tables.count() > 3
    for text in texts:
        parsed = MarkdownIt("gfm-like", {"linkify": False}).parse(text)
        tokens = [child for token in parsed for child in (token.children or [token])]
        assert not {token.type for token in tokens} & {"html_inline", "html_block", "link_open", "image", "em_open"}
        shown = "".join(token.content for token in tokens if token.type == "text")
        assert re.findall(r"(?i)@\w+|www\.\w|\w://\w|#\d", shown) == []
        assert len({line.count("|") - line.count("\\|") for line in text.strip().splitlines()}) == 1
    assert any("onerror" in text for text in texts)


def test_a_script_that_slipped_through_would_not_run(browser, pages, tmp_path):
    page = pages["mixed"].read_text()
    smuggled = "<script>document.title = 'owned'</script><img src=x onerror=\"document.title = 'owned'\">"
    path = tmp_path / "smuggled.html"
    path.write_text(page.replace("<main>", f"<main>{smuggled}"))
    reader = Reader(browser, path)
    assert reader.page.title().endswith("Levelfield")
    # The inline script, the handler and the image: each was refused, so that nothing was fetched either.
    refused = [text for text in reader.said if "Content Security Policy" in text]
    assert len(refused) >= 3
    reader.context.close()


def test_filters_by_text_and_by_setting(read):
    reader = read()
    said = reader.page.locator("#status")
    everything = int(said.inner_text().split()[0])
    reader.page.fill("input[name=q]", "resnet18 train")
    assert said.inner_text().startswith(f"1 of {everything} cases shown")
    answers = reader.page.locator("table.answers tr[data-case]:visible")
    assert answers.count() == 1
    assert "resnet18" in answers.inner_text()
    assert reader.page.locator("details[data-case]:visible").count() == 1
    reader.page.fill("input[name=q]", "")
    reader.page.select_option("select[name=workload]", "load")
    assert said.inner_text().startswith("2 of")
    reader.page.select_option("select[name=workers]", "2")
    assert said.inner_text().startswith("1 of")
    assert set(reader.column(reader.table("Data loading: images"), 2)) == {"2"}
    reader.page.fill("input[name=q]", "nothing has this name")
    assert said.inner_text().startswith("0 of")
    reader.page.get_by_role("button", name="Reset").click()
    assert said.inner_text() == f"{everything} cases."


@pytest.mark.parametrize(("typed", "batches"), [
    ("resnet18 batch 8", {"8"}), ("resnet18, batch 8", {"8"}), ("batch 1", {"1"}), ("resnet18 batch", {"1", "8", "16"}),
])  # fmt: skip
def test_a_number_finds_that_number_alone(browser, tmp_path, typed, batches):
    """8 is a part of resnet18 and of 128."""
    run = make_run([planned(step_case("resnet18", size), [TORCH, TF], 2) for size in (1, 8, 16)])
    main(["report", str(write_folder(tmp_path / "r", run, make_records(run)))])
    reader = Reader(browser, (tmp_path / "r/report.html").resolve())
    reader.page.fill("input[name=q]", typed)
    shown = reader.page.locator("table.answers tr[data-case]:visible").all_inner_texts()
    assert {re.search(r"batch (\d+)", text)[1] for text in shown} == batches
    assert reader.page.locator("#status").inner_text().startswith(f"{len(batches)} of 3 cases shown")
    reader.context.close()


def test_figures_follow_the_filter_and_lead_to_the_case(read):
    reader = read()
    marks = reader.page.locator(".figures svg [data-case]")
    said = marks.first.locator("title").text_content()
    assert re.fullmatch(r"[\w (,)]+, .+: [\d.]+( \([\d.]+–[\d.]+\))?", said)
    reader.page.fill("input[name=q]", "resnet18 train")
    wanted = reader.page.locator("details[data-case]:visible")
    digest = wanted.get_attribute("data-case")
    seen = marks.evaluate_all("all => all.filter(one => !one.classList.contains('faint')).map(one => one.dataset.case)")
    assert set(seen) == {digest}
    assert reader.page.locator(".figures .panel:visible").count() < reader.page.locator(".figures .panel").count()
    reader.page.locator(f'.figures figure:visible [data-case="{digest}"]').first.click(force=True)
    assert wanted.get_attribute("open") is not None
    reader.page.get_by_role("button", name="Reset").click()
    assert reader.page.locator(".figures .faint").count() == 0


TEXT_SIZES = """() => [...document.querySelectorAll(".panel svg text")].filter((one) => one.getClientRects().length)
  .map((one) => parseFloat(getComputedStyle(one).fontSize) * one.ownerSVGElement.getBoundingClientRect().width
    / one.ownerSVGElement.viewBox.baseVal.width)"""


@pytest.mark.parametrize(("width", "beside"), [(1280, 2), (390, 1)])
def test_figures_fill_the_page_and_their_texts_can_be_read(read, width, beside):
    reader = read()
    reader.page.set_viewport_size({"width": width, "height": 900})
    reader.page.locator("details.more summary").click()
    sizes = reader.page.evaluate(TEXT_SIZES)
    assert 11 <= min(sizes) <= max(sizes) < 16
    boxes = [one.bounding_box() for one in reader.page.locator(".figures .panel:visible").all()]
    assert max(sum(box["y"] == other["y"] for other in boxes) for box in boxes) == beside
    assert sum(box["width"] for box in boxes[:beside]) > 0.8 * (width - 90)
    assert reader.page.evaluate("document.documentElement.scrollWidth") == width


def test_folded_figures_open_without_a_script_and_are_printed(read):
    reader = read(java_script_enabled=False)
    figures = reader.page.locator(".figures figure")
    assert reader.page.locator(".figures figure:visible").count() == 5 < figures.count()
    reader.page.emulate_media(media="print")
    assert reader.page.locator(".figures figure:visible").count() == figures.count()
    reader.page.emulate_media(media="screen")
    reader.page.locator("details.more summary").click()
    assert reader.page.locator(".figures figure:visible").count() == figures.count()


def test_a_printed_page_has_every_answer(read):
    reader = read()
    groups = reader.page.locator("details.group")
    groups.evaluate_all("all => all.forEach(one => one.open = false)")
    assert reader.page.locator("table.answers tr[data-case]:visible").count() == 0
    reader.page.emulate_media(media="print")
    reader.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    answers = reader.page.locator("table.answers tr[data-case]")
    assert reader.page.locator("table.answers tr[data-case]:visible").count() == answers.count() > 0
    reader.page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert groups.evaluate_all("all => all.every(one => !one.open)")


def test_a_printed_page_has_every_answer_without_a_script(read):
    reader = read(java_script_enabled=False)
    shown = reader.page.locator("table.answers tr[data-case]:visible")
    before = shown.count()
    for summary in reader.page.locator("details.group > summary").all():
        summary.click()
    assert shown.count() == 0
    reader.page.emulate_media(media="print")
    assert shown.count() == before > 0


def test_a_link_with_settings_that_are_not_here_hides_nothing(read):
    reader = read()
    every = reader.page.locator("#status").inner_text()
    reader.page.goto("about:blank")
    reader.asked.clear()
    reader.page.goto(reader.address + "#f.network=gone&f.nothing=z&view=relative&base=nobody")
    assert reader.page.locator("#status").inner_text() == every
    assert "the second fastest of each case" in reader.page.locator(".view:visible").first.inner_text()


def test_sorts_by_number_and_naturally_with_dashes_last(read):
    reader = read()
    table = reader.table("Data loading: resources")
    heads = table.locator("thead tr").last.locator("th")
    names = [head.inner_text() for head in heads.all()]
    time = names.index("CPU time per image")

    def values():
        cells = table.locator(f"tbody tr > :nth-child({time + 1})")
        return cells.evaluate_all("all => all.map(cell => Number(cell.dataset.v))")

    before = reader.column(table, 0), values()
    head = heads.nth(time)
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert values() == sorted(values())
    head.get_by_role("button").press("Enter")
    assert head.get_attribute("aria-sort") == "descending"
    assert values() == sorted(values(), reverse=True)
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") is None
    assert (reader.column(table, 0), values()) == before


@pytest.mark.parametrize(("given", "ascending"), [
    (["128 px", "8 px", "32 px", "–"], ["8 px", "32 px", "128 px", "–"]),
    (["b", "–", "a10", "a9"], ["a9", "a10", "b", "–"]),
])  # fmt: skip
def test_text_is_sorted_as_people_count(browser, pages, tmp_path, given, ascending):
    """A table of these texts in the place of the first one."""
    rows = "".join(f"<tr><th>{text}</th></tr>" for text in given)
    table = f"<div class=scroll><table aria-label=own><thead><tr><th>own</th></tr></thead><tbody>{rows}</tbody></table>"
    path = tmp_path / "own.html"
    path.write_text(pages["mixed"].read_text().replace("<main>", f"<main>{table}</div>"))
    reader = Reader(browser, path)
    button = reader.table("own").get_by_role("button", name="own")
    button.click()
    assert reader.column(reader.table("own"), 0) == ascending
    button.click()
    assert reader.column(reader.table("own"), 0) == [*ascending[:-1][::-1], "–"]
    reader.context.close()


def test_remarks_move_and_hide_with_their_row(read):
    reader = read("nasty")
    table = reader.page.locator("details.group table.answers").first

    def pairs():
        rows = table.locator("tbody tr")
        kinds = rows.evaluate_all("all => all.map(row => row.className)")
        return [after for before, after in itertools.pairwise(kinds) if "noted" in before]

    assert pairs()
    assert set(pairs()) == {"remark"}
    table.locator("thead .sort").nth(1).click()
    assert set(pairs()) == {"remark"}


def test_relative_speeds_and_the_baseline(read):
    reader = read()
    table = reader.table("Inference step")
    before = table.inner_text()
    cells = table.locator("tbody tr").first.locator("td[data-side]")
    reader.page.select_option("select[name=times]", "relative")
    faster = cells.nth(0).inner_text()
    assert cells.nth(1).inner_text().split() == ["1×", "baseline"]
    assert re.fullmatch(r"1\.[12]\d*× 1\.\d+–1\.\d+, n 8", faster)
    reader.page.select_option("select[name=baseline]", "pytorch (eager)")
    assert cells.nth(0).inner_text().split() == ["1×", "baseline"]
    inverse = cells.nth(1).inner_text()
    assert re.fullmatch(r"0\.8\d*× 0\.8\d+–0\.8\d+, n 8", inverse)
    assert float(inverse.split("×")[0]) * float(faster.split("×")[0]) == pytest.approx(1, abs=0.02)
    first = reader.page.locator(".outcome").first
    assert re.search(r"pytorch \(eager\).* 1× baseline", " ".join(first.inner_text().split()))
    assert "as fast as pytorch (eager)" in reader.page.locator(".view:visible").first.inner_text()
    reader.page.select_option("select[name=times]", "absolute")
    reader.page.select_option("select[name=baseline]", "")
    reader.page.select_option("select[name=times]", "absolute")
    assert table.inner_text() == before


def test_a_case_opens_from_its_answer_and_back_undoes_it(read):
    reader = read()
    link = reader.page.locator("table.answers a").first
    place = link.get_attribute("href")[1:]
    details = reader.page.locator(f'details[data-anchor="{place}"]')
    assert details.get_attribute("open") is None
    link.focus()
    reader.page.keyboard.press("Enter")
    assert details.get_attribute("open") is not None
    assert details.locator("svg").is_visible()
    assert details.locator("svg path[stroke-opacity]").count() == 1, "the warm-up is shaded"
    reader.page.go_back()
    reader.page.wait_for_function("place => !location.hash.includes(place)", arg=place)


def shown(reader):
    """What the page says, less the tools, where the button says that a link was copied."""
    return [text for text in reader.page.locator("main section").all_inner_texts() if text]


def test_a_link_shows_the_page_as_it_stands(read):
    reader = read()
    reader.page.select_option("select[name=workload]", "load")
    reader.page.select_option("select[name=baseline]", "pytorch (torch, plain)")
    reader.page.select_option("select[name=theme]", "dark")
    table = reader.table("Data loading: images")
    table.locator("thead .sort").nth(4).click()
    reader.page.locator("details[data-case]:visible summary").first.click()
    reader.page.get_by_role("button", name="Copy link").click()
    link = reader.page.evaluate("navigator.clipboard.readText()")
    other = read()
    other.page.goto("about:blank")
    other.asked.clear()
    other.page.goto(link)
    assert shown(other) == shown(reader)
    assert other.page.locator("details[data-case][open]").count() == 1
    assert other.page.evaluate("document.documentElement.style.colorScheme") == "dark"
    assert other.page.input_value("select[name=baseline]") == "pytorch (torch, plain)"
    assert other.page.input_value("select[name=workload]") == "load"


@pytest.mark.parametrize(
    "hash", ["#%", "#q=%E0%A4%A", "#f.workload=nope&sort.t1=99.ascending&base=nobody&at=gone", "#tables-1"]
)
def test_a_broken_link_shows_the_report_all_the_same(read, hash):
    reader = read()
    reader.page.goto("about:blank")
    reader.asked.clear()
    reader.page.goto(reader.address + hash)
    assert reader.page.locator("#status").inner_text()
    assert reader.page.locator("h1").is_visible()


def test_downloads_hold_the_numbers(read):
    reader = read()
    tools = reader.page.get_by_role("group", name="Data loading: images")
    name, text = reader.save(tools.get_by_role("button", name="CSV"))
    rows = list(csv.DictReader(io.StringIO(text)))
    assert name.endswith(".csv")
    assert [row["workers"] for row in rows] == ["1", "2"]
    assert float(rows[0]["pytorch (torch, plain), number"]) == pytest.approx(32 / 0.05, rel=0.02)
    assert rows[0]["pytorch (torch, plain)"].startswith("64")
    name, text = reader.save(reader.page.get_by_role("button", name="JSON"))
    whole = json.loads(text)
    assert name == "report.json"
    assert {"title", "headline", "tables", "cases", "parts"} <= set(whole)
    assert any("Inference step" in table["title"] for table in whole["tables"])


@pytest.mark.parametrize("name", ["mixed", "packed"])
def test_raw_samples_can_be_downloaded(read, name):
    reader = read(name)
    assert reader.page.locator("#samples").get_attribute("type") == TYPES[name]
    details = reader.page.locator("details[data-case]").first
    details.locator("summary").click()
    name, text = reader.save(details.get_by_role("button", name="Raw samples"))
    rows = list(csv.DictReader(io.StringIO(text)))
    assert name == f"{details.get_attribute('data-anchor')}.csv"
    assert len(rows) == 2 * 8 * 80
    assert [row["step"] for row in rows[:81]] == [*map(str, range(80)), "0"]
    assert {row["warm-up"] for row in rows[:5]} == {"true"}
    run, records = mixed_run()
    first = next(record for record in records if record.case == run.cases[0].case)
    assert [float(row["seconds"]) for row in rows[:80]] == pytest.approx(
        [time / 1e9 for time in first.samples.step_ns], rel=1e-3
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_system_decides_the_theme_until_the_reader_does(read, scheme):
    reader = read(color_scheme=scheme)
    paper = "getComputedStyle(document.body).backgroundColor"
    colours = {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 26)"}
    assert reader.page.evaluate(paper) == colours[scheme]
    other = "light" if scheme == "dark" else "dark"
    reader.page.select_option("select[name=theme]", other)
    assert reader.page.evaluate(paper) == colours[other]


def test_without_a_script_everything_is_there(read):
    with_script, without = read(), read(java_script_enabled=False)
    assert not without.page.locator("#tools").is_visible()
    assert without.page.locator("main table").count() == with_script.page.locator("main table").count()
    assert without.page.locator("figure svg").count() == with_script.page.locator("figure svg").count()
    link = without.page.locator("table.answers a").first
    link.click()
    assert without.page.locator(f'details[data-anchor="{link.get_attribute("href")[1:]}"] svg').is_visible()


def test_the_page_fits_a_phone(read):
    reader = read(is_mobile=True)
    reader.page.set_viewport_size({"width": 390, "height": 800})
    assert reader.page.evaluate("document.documentElement.scrollWidth") <= 390


def test_every_control_has_a_name_and_can_be_reached_by_keyboard(read):
    reader = read()
    named = reader.page.locator("button, select, input, summary, a")
    assert all(named.evaluate_all("all => all.map(one => Boolean((one.labels?.[0] ?? one).textContent.trim()))"))
    reader.page.keyboard.press("Tab")
    assert reader.page.evaluate("document.activeElement.className") == "skip"
    seen = set()
    for _ in range(40):
        reader.page.keyboard.press("Tab")
        seen.add(reader.page.evaluate("document.activeElement.name || document.activeElement.className"))
    assert {"q", "times", "baseline", "theme"} <= seen
    assert "sort" in seen
