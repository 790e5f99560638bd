"""The stages of `load`, with a loader of lists."""

import errno
import itertools
import os

import numpy as np
import pytest
from PIL import Image

from runners.harness.record import PipelineStage
from runners.reference import page_cache, passes
from runners.reference.page_cache import drop
from runners.reference.passes import Passes
from runners.reference.source import Source


class Lists:
    """A loader that records how it was opened and which batches were taken."""

    def __init__(self) -> None:
        self.opened: list[tuple[Source, bool]] = []
        self.taken: list[int] = []
        self.ended = 0

    def open(self, source: Source, endless: bool):
        number = len(self.opened)
        self.opened.append((source, endless))
        self.taken.append(0)
        return lambda: self.pass_over(number, source, endless)

    def observe(self, source: Source):
        """Each batch adds 50 ns of decoding."""
        number = len(self.opened)
        endless = self.open(source, True)()
        return endless, lambda: [PipelineStage("decode", 2, self.taken[number], 50 * self.taken[number])]

    def pass_over(self, number: int, source: Source, endless: bool):
        names = itertools.cycle(source.paths) if endless else iter(source.paths)
        try:
            while batch := list(itertools.islice(names, source.batch_size)):
                self.taken[number] += len(batch)
                yield batch
        finally:
            self.ended += 1


@pytest.fixture
def source(tmp_path):
    paths = [tmp_path / f"{number}.jpg" for number in range(10)]
    for path in paths:
        Image.new("RGB", (40, 30), (200, 100, 50)).save(path)
    return Source(tuple(map(str, paths)), 4, "batch", workers=2, tuned=False)


def timed(stages) -> dict[str, str | None]:
    refused = {}
    for name, stage in stages.items():
        refused[name] = stage.before()
        if not refused[name]:
            stage.run()
    return refused


def test_each_stage_handles_as_many_images_as_it_declares(monkeypatch, source):
    monkeypatch.setattr(passes, "drop", lambda _paths: None)
    loader = Lists()
    made = Passes(loader.open, loader.observe, source)
    assert made.pipeline() == []
    stages = made.stages()
    assert not any(timed(stages).values())
    assert loader.ended == 6, "a pass is open beside what is timed next"
    items = {name: stage.items for name, stage in stages.items()}
    ready, endless = loader.opened[0]
    # `headspace`, endless; `cold_epoch`; `epoch` and, with the same loader, `second_epoch`; `observed`, endless;
    # `first_batch`.
    filled = 4 * (1 + 2 * 4)
    assert loader.taken == [items["headspace"] + filled, 10, 20, items["observed"] + filled, 4]
    assert made.pipeline() == [PipelineStage("decode", 2, items["observed"], 50 * items["observed"])]
    assert items == {
        "first_batch": 4,
        "close": None,
        "epoch": 10,
        "second_epoch": 10,
        "cold_epoch": 10,
        "decode_alone": 10,
        "read_cold": 10,
        "headspace": 20 * 4 * 4,
        "observed": 4 * 4 * 4,
    }
    assert endless
    assert ready.ready.shape == (10, 224, 224, 3)
    assert np.abs(ready.ready[0].reshape(-1, 3).mean(axis=0) - (200, 100, 50)).max() < 3


def test_the_limits_are_measured_on_a_sample_of_a_large_data_set(monkeypatch, source):
    monkeypatch.setattr(passes, "SAMPLE", 3)
    stages = Passes(Lists().open, Lists().observe, source).stages()
    assert (stages["decode_alone"].items, stages["read_cold"].items, stages["epoch"].items) == (3, 3, 10)


def test_files_that_stay_cached_are_not_timed_as_cold(monkeypatch, source):
    monkeypatch.setattr(passes, "drop", lambda _paths: "no page cache here")
    loader = Lists()
    refused = timed(Passes(loader.open, loader.observe, source).stages())
    assert {name for name, reason in refused.items() if reason} == {"cold_epoch", "read_cold"}
    assert len(loader.opened) == 4


def test_files_that_stay_are_dropped_again_and_no_page_is_left_read_ahead(monkeypatch, source):
    """A kernel that keeps a page the first time, and reads ahead after every check."""
    cached, stubborn = set(source.paths), {source.paths[3]}

    def forget(path):
        if path in stubborn:
            stubborn.remove(path)
        else:
            cached.discard(path)

    def look(path):
        found = path in cached
        cached.add(path)
        return found

    monkeypatch.setattr(page_cache, "_drop", forget)
    monkeypatch.setattr(page_cache, "_cached", look)
    assert drop(source.paths) is None
    assert not cached


def test_real_files_are_dropped_or_there_is_a_reason(source):
    reason = drop(source.paths)
    assert reason is None or "page cache" in reason


def test_a_file_system_that_cannot_drop_is_a_reason(monkeypatch, source):
    def refuse(*_args):
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(os, "posix_fadvise", refuse)
    assert "Operation not supported" in drop(source.paths)


def test_files_that_stay_are_counted(monkeypatch, source):
    monkeypatch.setattr(page_cache, "_cached", lambda path: path == source.paths[0])
    assert drop(source.paths) == "1 of 10 files stayed in the page cache"
