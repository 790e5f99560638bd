"""Waits for a container through an engine that may go away and come back."""

import threading
import time

import docker
from docker.errors import DockerException, NotFound
from requests.exceptions import RequestException

RECONNECT_SECONDS = 30
PAUSE_SECONDS = 1.0


class Waiter:
    """`finished` is set once the container has ended or nobody can know any more; then `lost` is True."""

    def __init__(self, client: docker.DockerClient, container: str) -> None:
        self._client, self._container = client, container
        self.finished = threading.Event()
        self.lost = False

    def wait(self) -> None:
        """Block until the end; meant for a thread of its own."""
        try:
            self.lost = not self._ended()
        finally:
            self.finished.set()

    def _ended(self) -> bool:
        """Whether the container was seen to end while the engine was there all along."""
        try:
            self._client.api.wait(self._container, timeout=None)
            return True
        except NotFound:
            return False
        except (RequestException, DockerException):
            return self._reconnected() and self._ended()

    def _reconnected(self) -> bool:
        for _ in range(RECONNECT_SECONDS):
            try:
                self._client.ping()
                return True
            except (RequestException, DockerException):
                time.sleep(PAUSE_SECONDS)
        return False
