"""What the face's process says when it cannot even be imported."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

from kai.adapters.local_face import messages as m

PROJECT = Path(__file__).parents[2]


def test_a_face_that_stands_by_has_not_loaded_what_draws() -> None:
    """It takes three quarters of the process's memory."""
    code = "import sys; from kai.adapters.local_face import process; print('numba' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


def test_a_missing_package_is_named_to_the_app(tmp_path: Path) -> None:
    package = "cv2"
    (tmp_path / f"{package}.py").write_text(f"raise ModuleNotFoundError('gone', name={package!r})\n")
    ours, theirs = socket.socketpair()
    ours.settimeout(60)
    with ours, theirs:
        process = subprocess.Popen(
            [
                sys.executable,
                *("-m", "kai.adapters.local_face.start", "--socket", str(theirs.fileno())),
                *("--memory", "0", "--width", "512", "--height", "512"),
            ],
            pass_fds=(theirs.fileno(),),
            cwd=PROJECT,
            env={**os.environ, "PYTHONPATH": str(tmp_path)},
        )
        theirs.close()
        data = b""
        while part := ours.recv(4096):
            data += part
    assert process.wait(60) == 1
    (told,) = m.Decoder().feed(data)
    assert isinstance(told, m.Failed)
    assert told.code == "face-import"
    assert told.message.startswith(f"The face needs {package},")
    assert "make install" in told.message
