"""A tally in a tensor that DataLoader's and SPDL's workers share."""

import threading
from collections.abc import Mapping

import numpy as np
import torch
from torch.utils.data import get_worker_info

from runners.reference import tally


class Tally(tally.Tally):
    """Its writers are a DataLoader's workers, or the threads of a pool."""

    def __init__(self, stages: Mapping[str, int], writers: int = 1) -> None:
        super().__init__(stages)
        self._shared = torch.zeros(max(1, writers), len(stages), 2, dtype=torch.int64).share_memory_()

    def counts(self) -> np.ndarray:
        return self._shared.numpy()

    def writer(self) -> int:
        worker = get_worker_info()
        if worker:
            return worker.id
        _, _, number = threading.current_thread().name.rpartition("_")
        return int(number) if number.isdecimal() else 0
