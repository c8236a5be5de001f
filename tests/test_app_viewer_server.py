"""Where `pixelnerf view` listens, and the folder that it saves to."""

import socket
import sys

import pytest
from viewed_table import model, running_viewer, table

from pixelnerf.app.viewed_object import SaveFolder
from pixelnerf.app.viewer import Viewer, check_address
from pixelnerf.errors import UserError


def test_only_this_machine_is_served(tmp_path):
    pytest.importorskip("viser", reason="viser is not installed (extra `viewer`)")
    with running_viewer("a table", tmp_path) as viewer:
        with socket.create_connection(("127.0.0.1", viewer.port), timeout=5):
            pass
        # Another address of the same machine.
        with pytest.raises(OSError, match=r"refused|assign|unreachable|timed out"):
            socket.create_connection(("127.0.0.2", viewer.port), timeout=5)


def test_a_port_in_use_is_one_line():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"port {port} is in use; choose another, as in --port {port + 1}"):
            check_address("127.0.0.1", port)
    check_address("127.0.0.1", port)


@pytest.mark.parametrize(("host", "port"), [("nowhere.invalid", 8080), ("127.0.0.1", 0), ("127.0.0.1", 70000)])
def test_addresses_that_cannot_be(host, port):
    with pytest.raises(UserError, match=r"--host|--port"):
        check_address(host, port)


def test_no_viser_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "viser", None)
    with pytest.raises(UserError, match="pip install 'pixelnerf\\[viewer\\]'"):
        Viewer(model(), table(), "a table", tmp_path, "127.0.0.1", 8080)


def test_no_file_is_replaced(tmp_path):
    folder = SaveFolder(tmp_path / "saved")
    first = folder.new_file("frame", ".png")
    second = folder.new_file("frame", ".png")
    (tmp_path / "saved/frame_002.png").touch()
    assert [path.name for path in (first, second, folder.new_file("frame", ".png"))] == [
        "frame_000.png",
        "frame_001.png",
        "frame_003.png",
    ]
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot write"):
        SaveFolder(tmp_path / "file/saved").new_file("frame", ".png")
