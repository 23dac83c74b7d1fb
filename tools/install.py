"""Make `.venv` match the lock exactly, prepare the face, fetch the language model; each step only if it is not done.

    python3 tools/install.py                     what `make install` runs
    python3 tools/install.py --packages          only the packages, for `make run`, which does the rest while the page is open
    python3 tools/install.py --packages --dev    also what tests and checks need: requirements-dev.lock
    python3 tools/install.py --force             as if nothing had been installed

The tool uses only the standard library, because it runs before anything is installed. The stamp in `.venv` names the locks,
the Python, the face's source and the model's file that were used, so that a second run takes a few milliseconds.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
LOCK = ROOT / "requirements.lock"
DEV_LOCK = ROOT / "requirements-dev.lock"
"""The lock for developers, which includes everything in ``LOCK``."""
STAMP = VENV / "kai-install.json"
LOG = VENV / "kai-install.log"
VENV_PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
PYTHONS = ((3, 11), (3, 12))


def digest(paths: list[Path]) -> str:
    """Return the SHA-256 over names and contents of files, in the given order."""
    sha = hashlib.sha256()
    for path in paths:
        sha.update(path.relative_to(ROOT).as_posix().encode() + b"\0")
        sha.update(path.read_bytes())
    return sha.hexdigest()


def face_files() -> list[Path]:
    """Return the files from which the face's compiled kernels and baked characters are made."""
    folder = ROOT / "kai" / "avatar"
    return sorted(p for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts)


def read_stamp() -> dict[str, str]:
    """Return the stamp of the last installation; empty when there was none or it is not ours."""
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def write_stamp(stamp: dict[str, str]) -> None:
    """Replace the stamp in one step, so that an interrupted run leaves the old one or none."""
    fresh = STAMP.with_suffix(".new")
    fresh.write_text(json.dumps(stamp, indent=1) + "\n", encoding="utf-8")
    fresh.replace(STAMP)


def give_up(message: str) -> None:
    """End with a message that says what happened and what to do next."""
    sys.stdout.flush()
    raise SystemExit(f"\nKai could not be installed. {message}")


def make_venv() -> None:
    """Create `.venv`, or keep an existing one that works with a supported Python."""
    if VENV_PYTHON.exists():
        probe = subprocess.run(
            [str(VENV_PYTHON), "-c", "import pip, sys; print(sys.version_info[:2], sys.prefix)"],
            capture_output=True,
            text=True,
            check=False,
        )
        if probe.returncode == 0 and probe.stdout.strip() in {f"{v} {VENV}" for v in PYTHONS}:
            return
        print("  .venv does not work here (moved, or another Python): making it anew", flush=True)
    made = subprocess.run(
        [sys.executable, "-m", "venv", "--clear", str(VENV)], capture_output=True, text=True, check=False
    )
    if made.returncode != 0:
        give_up(
            f"Python could not make a virtual environment:\n{made.stdout}{made.stderr}\n"
            "On Debian and Ubuntu: sudo apt install python3-venv. Then run this again."
        )


def count_locked(lock: Path) -> int:
    """Return how many packages the lock names; a few of them are for other systems only."""
    return sum(
        1 for line in lock.read_text(encoding="utf-8").splitlines() if "==" in line and line[0].isalnum()
    )


def install_packages(lock: Path) -> None:
    """Install the lock with required hashes, and show the progress."""
    total = count_locked(lock)
    is_terminal = sys.stdout.isatty()
    command = [str(VENV_PYTHON), "-m", "pip", "install", "--require-hashes", "--no-input"]
    command += ["--disable-pip-version-check", "--progress-bar", "off", "-r", str(lock)]
    seen = 0
    with LOG.open("w", encoding="utf-8") as log:
        pip = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        )
        assert pip.stdout is not None
        for line in pip.stdout:
            log.write(line)
            if line.startswith(("Collecting ", "Processing ", "Requirement already satisfied: ")):
                seen = min(seen + 1, total)
                if is_terminal:
                    print(f"\r  package {seen} of {total}", end="", flush=True)
                elif seen % 25 == 0:
                    print(f"  package {seen} of {total}", flush=True)
            elif line.startswith("Installing collected packages"):
                print(f"{chr(13) if is_terminal else ''}  unpacking, about a minute", flush=True)
        code = pip.wait()
    if code != 0:
        tail = "".join(LOG.read_text(encoding="utf-8").splitlines(keepends=True)[-15:])
        give_up(
            f"pip ended with code {code}:\n\n{tail}\n"
            "If that speaks of the network, check it and run this again: what was fetched is kept.\n"
            f"If it speaks of hashes, a file is not the one that we locked. The whole log: {LOG}"
        )


def warm_face() -> None:
    """Compile the renderer and bake the characters, so that the first start shows the live face immediately."""
    done = subprocess.run([str(VENV_PYTHON), "-m", "kai.avatar"], cwd=ROOT, check=False)
    if done.returncode != 0:
        give_up(f"The face could not be prepared (python -m kai.avatar ended with code {done.returncode}).")


def is_model_wanted() -> bool:
    """Return whether the language model is wanted: nobody has chosen to leave it out."""
    return {**chosen_in_env_file(), **os.environ}.get("KAI_MIND", "").strip().lower() != "none"


def fetch_model() -> str:
    """Fetch the language model and show the progress; return its path and size, or "": Kai also runs without one."""
    env = {**chosen_in_env_file(), **os.environ}
    command = [str(VENV_PYTHON), "-m", "kai.engine.models", "fetch"]
    print("Fetching Kai's language model (once; about 1.1 GB; KAI_MIND=none leaves it out)", flush=True)
    done = subprocess.run(command, cwd=ROOT, env=env, check=False)
    if done.returncode != 0:
        print(
            "Kai runs without it, and answers with its small mind. To try again: make install, or the button on the page.",
            flush=True,
        )
        return ""
    told = subprocess.run(
        [*command[:-1], "path"], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    path = told.stdout.strip()
    return model_mark(path) if path else ""


def model_mark(path: str) -> str:
    """Return path and size of a model's file, as in the stamp; empty if the file is missing."""
    try:
        return f"{Path(path).stat().st_size} {path}"
    except OSError:
        return ""


def chosen_in_env_file() -> dict[str, str]:
    """Return the settings in ``.env`` for the language model and the data folder; the app itself reads the whole file."""
    try:
        lines = (ROOT / ".env").read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    pairs = (line.partition("=") for line in lines if line.startswith(("KAI_MIND=", "KAI_DATA_DIR=")))
    return {name: value.strip().strip("\"'") for name, _, value in pairs}


def main() -> None:
    """Install what is missing; print nothing when nothing is missing."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--force", action="store_true", help="install and bake even when the stamp is current"
    )
    parser.add_argument(
        "--packages", action="store_true", help="neither prepare the face nor fetch the model"
    )
    parser.add_argument("--dev", action="store_true", help="also what tests and checks need")
    options = parser.parse_args()

    if sys.version_info[:2] not in PYTHONS:
        give_up(
            f"It needs Python 3.11 or 3.12; this is {sys.version.split()[0]}.\n"
            "Install one of them, then: make install PYTHON=python3.12"
        )
    packages = digest([LOCK]) + f" {VENV}"
    tools = digest([DEV_LOCK]) + f" {VENV}"
    face = digest(face_files())
    stamp = {} if options.force or not VENV_PYTHON.exists() else read_stamp()

    if stamp.get("packages") != packages or (options.dev and stamp.get("tools") != tools):
        started = time.monotonic()
        print(
            "Installing what tests and checks need into .venv (once; about a minute)"
            if stamp.get("packages") == packages
            else "Installing Kai into .venv (once; about two minutes)",
            flush=True,
        )
        make_venv()
        STAMP.unlink(missing_ok=True)
        install_packages(DEV_LOCK if options.dev else LOCK)
        stamp = {"packages": packages, **({"tools": tools} if options.dev else {})}
        write_stamp(stamp)
        print(f"  packages are in place after {time.monotonic() - started:.0f} s", flush=True)
    if options.packages:
        return
    if stamp.get("face") != face:
        print("Preparing Kai's face (compiling and baking)", flush=True)
        warm_face()
        stamp = {**stamp, "face": face}
        write_stamp(stamp)
    model = stamp.get("model", "")
    if is_model_wanted() and (not model or model_mark(model.partition(" ")[2]) != model):
        write_stamp({**stamp, "model": fetch_model()})
        print("Ready. Start Kai with: make run", flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        give_up("It was stopped. Run it again: what was fetched is kept.")
