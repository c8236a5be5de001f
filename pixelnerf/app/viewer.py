"""`pixelnerf view`: an object in the browser, to turn, to take photos away from, and to save pictures of."""

import errno
import io
import os
import socket
import threading
import warnings
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from pixelnerf.app.api import Model, Scene
from pixelnerf.app.inputs import InputRequest, Say, encode_inputs
from pixelnerf.app.viewed_object import SaveFolder, ViewedObject
from pixelnerf.app.viewer_cameras import START_FIELD_OF_VIEW, start_camera
from pixelnerf.app.viewer_window import Window
from pixelnerf.errors import UserError
from pixelnerf.tools.files import file_name

LOCAL = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True)
class ViewRequest(InputRequest):
    """The arguments of `pixelnerf view`; see there."""

    output: Path | None
    weights: str
    device: str
    host: str
    port: int


def view_photos(request: ViewRequest, say: Say) -> None:
    """Encodes and serves until Ctrl-C; `say` is given each line for the user.

    Raises:
        UserError: what is wrong with the photos or the arguments, a port in use, or no viser, in one line.
    """
    request.check("view")
    # Before anything that takes time.
    _import_viser()
    check_address(request.host, request.port)
    model = Model(request.weights, request.device)
    scene, _ = encode_inputs(model, request, say)
    for note in scene.notes:
        say(f"- {note}")
    for warning in scene.warnings:
        say(f"WARNING: {warning}")
    first = request.photos[0].resolve()
    name = first.name if first.is_dir() else first.stem
    folder = request.output or Path(f"{file_name(name)}_view")
    viewer = Viewer(model, scene, name, folder, request.host, request.port)
    if request.host not in LOCAL:
        say(f"WARNING: whoever reaches {request.host} can look, and save files to {folder}; there is no password")
    # A window that is closed while something is drawn for it.
    warnings.filterwarnings("ignore", "Queued a .* on a closed connection")
    say(f"open {viewer.url} in a browser; Ctrl-C ends")
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        say("stopped")
    finally:
        viewer.stop()


class Viewer:
    """A running server of an object; `stop` ends it.

    Args:
        model: that encodes.
        scene: the encoded object.
        name: of the object, shown as text.
        folder: to save to.
        host: address to bind.
        port: to bind.

    Raises:
        UserError: the port is in use, the address is not of this machine, or viser is missing.
    """

    def __init__(self, model: Model, scene: Scene, name: str, folder: Path, host: str, port: int) -> None:
        viser = _import_viser()
        check_address(host, port)
        self.viewed = ViewedObject(model, scene, name)
        self.folder, save_folder = folder, SaveFolder(folder)
        self._windows: dict[int, Window] = {}
        self._lock = threading.Lock()
        # viser prints a banner of its own.
        with redirect_stdout(io.StringIO()):
            self._server = viser.ViserServer(host=host, port=port, label=name, verbose=False)
        self.host, self.port = host, self._server.get_port()
        # Its sharing leads through a stranger's server.
        self._server.gui.configure_theme(
            control_layout="collapsible", control_width="medium", show_logo=False, show_share_button=False
        )
        start, camera = start_camera(self.viewed.photos), self._server.initial_camera
        camera.position, camera.look_at = start.pose[:3, 3].double().numpy(), np.zeros(3)
        camera.fov = np.radians(START_FIELD_OF_VIEW)

        def forget(client: Any) -> None:
            with self._lock:
                window = self._windows.pop(client.client_id, None)
            if window is not None:
                window.close()

        self._server.on_client_disconnect(forget)

        @self._server.on_client_connect
        def _(client: Any) -> None:
            window = Window(client, self.viewed, save_folder)
            with self._lock:
                self._windows[client.client_id] = window
            # It may have left while its window was made.
            if client.client_id not in self._server.get_clients():
                forget(client)

    @property
    def url(self) -> str:
        """Where a browser finds it."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    def stop(self) -> None:
        """Closes all windows and frees the port."""
        with self._lock:
            windows = list(self._windows.values())
            self._windows.clear()
        for window in windows:
            window.close()
        with redirect_stdout(io.StringIO()):
            self._server.stop()


def check_address(host: str, port: int) -> None:
    """Whether a server can listen there; viser would try the next thousand ports in silence.

    Raises:
        UserError: it cannot.
    """
    if not 0 < port < 1 << 16:
        raise UserError(f"--port {port} is not between 1 and 65535")
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (socket.gaierror, UnicodeError):
        raise UserError(f"--host {host} is no address; leave it out for this machine alone") from None
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        if os.name == "posix":
            # As the server does: a port that was closed a moment ago is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise UserError(f"port {port} is in use; choose another, as in --port {port + 1}") from None
            raise UserError(f"cannot listen at {host}, port {port}: {error.strerror}") from None


def _import_viser() -> ModuleType:
    try:
        import viser  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise UserError("the viewer needs the library viser: pip install 'pixelnerf[viewer]'") from None
    return viser
