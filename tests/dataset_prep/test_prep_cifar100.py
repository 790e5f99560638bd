"""CIFAR-100: archives in its format become class folders, hostile archives become an error message."""

import functools
import gzip
import http.server
import io
import pickle
import re
import tarfile
import threading
import tracemalloc

import numpy as np
import pytest
from PIL import Image
from prep_helpers import cifar_members, cifar_meta, cifar_split, plant, tar_gz

from dataset_prep import archive, download
from dataset_prep.checksum import Checksum
from dataset_prep.errors import BadInput
from dataset_prep.unpickle import load, pixels
from runners.harness.manifest import read_manifest


def sum_of(path):
    return Checksum("sha256", "").of(path)


@pytest.fixture
def cifar(prep, tmp_path):
    """Prepares the archive at `path`."""

    def run(path, *more):
        return prep("cifar100", "--archive", path, "--checksum", str(sum_of(path)), "--out", tmp_path / "out", *more)

    return run


def test_an_archive_becomes_class_folders_of_64_pixels(cifar, prep, tmp_path):
    outcome = cifar(tar_gz(tmp_path / "a.tar.gz", cifar_members()))
    assert outcome.code == 0, outcome.err
    manifest = read_manifest(tmp_path / "out/manifest.json")
    assert manifest.classes == ("apple", "bee", "maple_tree")
    assert {split: [(i.path, i.label) for i in items] for split, items in manifest.splits.items()} == {
        "train": [
            ("train/apple/00000.jpg", 0),
            ("train/bee/00001.jpg", 1),
            ("train/bee/00003.jpg", 1),
            ("train/maple_tree/00002.jpg", 2),
        ],
        "test": [("test/apple/00001.jpg", 0), ("test/maple_tree/00000.jpg", 2)],
    }
    assert {(item.width, item.height) for item in manifest.splits["train"]} == {(64, 64)}
    assert prep("verify", tmp_path / "out").code == 0


def test_planes_become_pixels_by_bicubic_at_quality_75(cifar, tmp_path):
    rows = np.random.default_rng(1).integers(0, 256, (2, 3, 32, 32), np.uint8)
    members = cifar_members(train=cifar_split([0, 1], rows.tobytes()))
    assert cifar(tar_gz(tmp_path / "a.tar.gz", members)).code == 0
    expected = Image.fromarray(np.moveaxis(rows[1], 0, -1).copy()).resize((64, 64), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    expected.save(buffer, "JPEG", quality=75)
    assert (tmp_path / "out/train/bee/00001.jpg").read_bytes() == buffer.getvalue()


def test_a_prepared_set_no_longer_needs_its_archive(cifar, prep, tmp_path):
    path = tar_gz(tmp_path / "a.tar.gz", cifar_members())
    cifar(path)
    expected = str(sum_of(path))
    path.unlink()
    again = prep("cifar100", "--archive", path, "--checksum", expected, "--out", tmp_path / "out")
    assert again.code == 0
    assert "up to date" in again.err


def special(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.mark.parametrize(
    "info",
    [
        special("../evil"),
        special("cifar-100-python/../../evil"),
        special("/etc/evil"),
        special("link", tarfile.SYMTYPE, "/etc/passwd"),
        special("hard", tarfile.LNKTYPE, "cifar-100-python/train"),
        special("pipe", tarfile.FIFOTYPE),
        special("device", tarfile.CHRTYPE),
        special("disk", tarfile.BLKTYPE),
    ],
    ids=lambda info: info.name,
)
@pytest.mark.parametrize("last", [False, True])
def test_a_hostile_member_is_refused_before_anything_is_written(cifar, tmp_path, info, last):
    path = tmp_path / "a.tar.gz"
    if last:
        with tarfile.open(tar_gz(tmp_path / "good.tar.gz", cifar_members())) as good, tarfile.open(path, "w:gz") as bad:
            for member in good:
                bad.addfile(member, good.extractfile(member))
            bad.addfile(info)
        (tmp_path / "good.tar.gz").unlink()
    else:
        tar_gz(path, cifar_members(), info)
    outcome = cifar(path)
    assert (outcome.code, outcome.out) == (2, b"")
    assert "refused, nothing was written" in outcome.err
    assert [one.name for one in tmp_path.iterdir()] == ["a.tar.gz"]


def test_archives_that_unpack_to_too_much_are_refused(cifar, tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MAX_UNPACKED", 2**20)
    big = tar_gz(tmp_path / "big.tar.gz", cifar_members(train=bytes(2**21)))
    many = tar_gz(tmp_path / "many.tar.gz", {f"m{number}": b"" for number in range(100)})
    # A header with two megabytes of attributes, which a careless reader would read completely.
    header = tarfile.TarInfo("pax")
    header.type, header.size = tarfile.XHDTYPE, 2**21
    attributes = tmp_path / "attributes.tar.gz"
    attributes.write_bytes(gzip.compress(header.tobuf() + bytes(2**21)))
    for path in (big, many, attributes):
        outcome = cifar(path)
        assert outcome.code == 2
        assert "unpacks to more than" in outcome.err


class Evil:
    """A program that a plain pickle.load would run."""

    def __reduce__(self):
        return exec, ("raise SystemExit('the pickle ran')",)


@pytest.mark.parametrize(
    "hostile",
    [
        pickle.dumps({b"data": Evil()}, 2),
        b"\x80\x02cos\nsystem\n" + b"U\x04true\x85R.",
        b"\x80\x02cnumpy\nload\n.",
        b"\x80\x02cbuiltins\neval\n.",
        pickle.dumps({b"data": np.zeros((1, 3072), object)}, 2),
        b"",
        b"\x80\x02}",
        b"garbage",
        pickle.dumps([1, 2]),
        # A memo index that asks for gigabytes, a frame that promises them.
        b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7f}.",
        b"\x80\x02}r\xff\xff\xff\x7f",
    ],
    ids=range(11),
)
def test_a_hostile_pickle_runs_nothing(cifar, tmp_path, hostile):
    outcome = cifar(tar_gz(tmp_path / "a.tar.gz", cifar_members(train=hostile)))
    assert (outcome.code, outcome.out) == (2, b"")
    assert "train" in outcome.err
    assert "Traceback" not in outcome.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "members",
    [
        cifar_members(meta=cifar_meta([b"apple", b"../../evil"])),
        cifar_members(meta=cifar_meta([b"apple", b"apple", b"bee"])),
        cifar_members(meta=cifar_meta([b"apple"])),
        cifar_members(meta=cifar_meta([b"a", b"b"])),
        cifar_members(train=cifar_split([0, 1], bytes(3072))),
        cifar_members(train=cifar_split([0], columns=100)),
        cifar_members(train=cifar_split([])),
        {name: data for name, data in cifar_members().items() if "meta" not in name},
        cifar_members() | {"other/train": b""},
    ],
    ids=["name", "twice", "one", "label", "short", "columns", "none", "missing", "double"],
)
def test_inconsistent_contents_exit_2(cifar, tmp_path, members):
    outcome = cifar(tar_gz(tmp_path / "a.tar.gz", members))
    assert outcome.code == 2, outcome.err
    assert "Traceback" not in outcome.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "content",
    [b"", b"no archive", gzip.compress(b"no tar")[:-9], gzip.compress(b"x" * 2000)],
    ids=["empty", "text", "cut off", "no tar"],
)
def test_a_file_that_is_no_archive_exits_2(cifar, tmp_path, content):
    outcome = cifar(plant(tmp_path, {"a.tar.gz": content}) / "a.tar.gz")
    assert outcome.code == 2
    assert "Traceback" not in outcome.err


def test_a_local_file_with_another_checksum_exits_3_and_stays(prep, tmp_path):
    path = tar_gz(tmp_path / "a.tar.gz", cifar_members())
    outcome = prep("cifar100", "--archive", path, "--out", tmp_path / "out")
    assert outcome.code == 3
    assert "md5:eb9058c3a382ffc7106e4002c42a8d85" in outcome.err
    assert re.search(r"checksum md5:[0-9a-f]{32}, expected", outcome.err)
    assert path.exists()


def test_a_pickle_cannot_reserve_memory_by_naming_a_large_index():
    tracemalloc.start()
    with pytest.raises(BadInput):
        load(b"\x80\x02}r\xff\xff\xff\x00", "x")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


def test_the_unpickler_reads_the_official_format():
    found = load(cifar_split([3, 1, 2]), "x")
    assert found[b"fine_labels"] == [3, 1, 2]
    assert pixels(found[b"data"], "x", 3072).shape == (3, 3072)


class Server(http.server.ThreadingHTTPServer):
    """Serves `content`: with or without ranges, truncated after some bytes, or with an error."""

    content = b""
    ranges = True
    cut = ()
    status = 200

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked = []
        self.url = f"http://127.0.0.1:{self.server_port}/a.tar.gz"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        asked = self.headers.get("Range")
        server.asked.append(asked)
        start = int(asked[6:-1]) if asked and server.ranges else 0
        if server.status != 200:
            self.send_error(server.status)
            return
        if start >= len(server.content) > 0:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(server.content)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = server.content[start:]
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(server.content) - 1}/{len(server.content)}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if server.cut:
            now, *server.cut = server.cut
            body = body[:now]
            self.close_connection = True
        self.wfile.write(body)

    def log_message(self, *_arguments):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setattr(download, "PAUSE_S", 0)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with Server() as server:
        server.content = tar_gz(tmp_path / "served.tar.gz", cifar_members()).read_bytes()
        threading.Thread(target=functools.partial(server.serve_forever, 0.01), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def fetch(prep, tmp_path, server):
    """Prepares the server's file, with the checksum of the true archive."""
    expected = str(sum_of(tmp_path / "served.tar.gz"))
    return lambda: prep("cifar100", "--url", server.url, "--checksum", expected, "--out", tmp_path / "data/out")


def test_a_download_is_kept_and_not_repeated(fetch, server, tmp_path):
    assert fetch().code == 0
    assert server.asked == [None]
    assert {path.name for path in (tmp_path / "data").iterdir()} == {"out", "out.tar.gz"}
    (tmp_path / "data/out/manifest.json").unlink()
    for path in sorted((tmp_path / "data/out").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    assert fetch().code == 0
    assert server.asked == [None]


@pytest.mark.parametrize("ranges", [True, False])
def test_an_interrupted_download_continues_or_starts_over(fetch, server, ranges):
    server.ranges, server.cut = ranges, [100, 50]
    outcome = fetch()
    assert outcome.code == 0, outcome.err
    assert server.asked == ([None, "bytes=100-", "bytes=150-"] if ranges else [None, "bytes=100-", "bytes=50-"])


def test_a_download_given_up_is_resumed_by_the_next_run(fetch, server, tmp_path):
    server.cut = [10] * download.CONNECTIONS
    outcome = fetch()
    assert outcome.code == 3
    assert "run this again to continue" in outcome.err
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["out.tar.gz.part"]
    assert fetch().code == 0
    assert server.asked[-1] == f"bytes={10 * download.CONNECTIONS}-"


def test_a_complete_part_is_accepted(fetch, server, tmp_path):
    plant(tmp_path / "data", {"out.tar.gz.part": server.content})
    assert fetch().code == 0


def test_a_part_longer_than_the_file_starts_over(fetch, server, tmp_path):
    plant(tmp_path / "data", {"out.tar.gz.part": server.content + b"more"})
    assert fetch().code == 0
    assert server.asked[-1] is None


def test_a_damaged_part_is_dropped_and_fetched_once_more(fetch, server, tmp_path):
    plant(tmp_path / "data", {"out.tar.gz.part": b"x" * 30})
    outcome = fetch()
    assert outcome.code == 0
    assert "trying once more" in outcome.err
    assert server.asked == ["bytes=30-", None]


def test_a_wrong_checksum_twice_exits_3_with_both_sums_and_leaves_no_part(fetch, server, tmp_path):
    server.content = b"z" + server.content[1:]
    outcome = fetch()
    assert (outcome.code, outcome.out) == (3, b"")
    assert len(server.asked) == 2
    wrong = sum_of(plant(tmp_path, {"wrong": server.content}) / "wrong")
    assert f"checksum {wrong} twice, expected {sum_of(tmp_path / 'served.tar.gz')}" in outcome.err
    assert list((tmp_path / "data").iterdir()) == []


@pytest.mark.parametrize(("status", "requests"), [(404, 1), (503, download.CONNECTIONS)])
def test_a_server_that_refuses_exits_3_with_its_answer(fetch, server, tmp_path, status, requests):
    server.status = status
    outcome = fetch()
    assert outcome.code == 3
    assert f"{status}" in outcome.err
    assert "--archive" in outcome.err
    assert len(server.asked) == requests
    assert list((tmp_path / "data").iterdir()) == []


def test_no_server_at_all_exits_3(fetch, server):
    server.shutdown()
    server.server_close()
    outcome = fetch()
    assert outcome.code == 3
    assert "--archive" in outcome.err


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://x/y", "nonsense", "http://[bad/", "http://a b/"])
def test_an_invalid_address_exits_2_without_a_traceback(prep, tmp_path, monkeypatch, url):
    monkeypatch.setattr(download, "PAUSE_S", 0)
    outcome = prep("cifar100", "--url", url, "--out", tmp_path / "out")
    assert outcome.code == 2
    assert "Traceback" not in outcome.err
    assert not (tmp_path / "out").exists()


def test_a_download_beyond_the_bound_is_stopped(fetch, server, monkeypatch):
    monkeypatch.setattr(download, "MAX_BYTES", len(server.content) - 1)
    outcome = fetch()
    assert outcome.code == 3
    assert "more than" in outcome.err
