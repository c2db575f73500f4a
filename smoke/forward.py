"""A pod's port as a port of this machine's loopback, for as long as this process lives."""

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Any

from plugins.kubernetes.access import UnreachableError

HOST = "127.0.0.1"
_PIECE = 2**16


class Forward:
    """Listens on a free port; each connection becomes one of its own to the pod.

    `connect` gives the official client's PortForward to `port`, or raises UnreachableError.
    """

    def __init__(self, connect: Callable[[], Any], port: int) -> None:
        self._connect = connect
        self._remote_port = port
        self._listener = socket.create_server((HOST, 0))
        self.problem = ""
        """Why the last connection to the pod failed."""
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self._listener.getsockname()[1]}"

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                local, _ = self._listener.accept()
            except OSError:
                return  # closed
            threading.Thread(target=self._serve, args=(local,), daemon=True).start()

    def _serve(self, local: socket.socket) -> None:
        with local:
            try:
                remote = self._connect()
            except UnreachableError as error:
                self.problem = str(error)
                return
            far = remote.socket(self._remote_port)
            up = threading.Thread(target=_pump, args=(local, far), daemon=True)
            up.start()
            _pump(far, local)
            if said := remote.error(self._remote_port):
                self.problem = " ".join(str(said).split())
            with contextlib.suppress(OSError):
                local.shutdown(socket.SHUT_RDWR)  # wakes the other pump
            up.join()
            far.close()


def _pump(source: Any, sink: Any) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(_PIECE):
            sink.sendall(piece)
