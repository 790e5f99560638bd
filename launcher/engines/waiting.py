"""Waits for a container through an engine that may go away and come back."""

import threading
import time

import docker
from docker.errors import DockerException, NotFound
from requests.exceptions import RequestException

RECONNECT_SECONDS = 30
PAUSE_SECONDS = 1.0


CONNECTION_ERRORS = (RequestException, DockerException)


def reconnected(client: docker.DockerClient) -> bool:
    """Whether the engine answers, or does so again within RECONNECT_SECONDS."""
    for _ in range(RECONNECT_SECONDS):
        try:
            client.ping()
            return True
        except CONNECTION_ERRORS:
            time.sleep(PAUSE_SECONDS)
    return False


class Waiter:
    """Sets `finished` once the container has ended, or once its end cannot be learned any more: then `lost` is True.

    `interrupted` says that the engine was away meanwhile, which may have ended the container.
    """

    def __init__(self, client: docker.DockerClient, container: str) -> None:
        self._client, self._container = client, container
        self.finished = threading.Event()
        self.lost = False
        self.interrupted = False

    def wait(self) -> None:
        """Block until the end; meant for a thread of its own."""
        try:
            self.lost = not self._ended()
        finally:
            self.finished.set()

    def _ended(self) -> bool:
        """Whether the container was seen to end."""
        try:
            self._client.api.wait(self._container, timeout=None)
            return True
        except NotFound:
            return False
        except CONNECTION_ERRORS:
            self.interrupted = True
            return reconnected(self._client) and self._ended()
