"""An app whose talks are fakes (`tests/ui/fake_app.py`), in a process of its own."""

from __future__ import annotations

from kai.bench.driver import ROOT, AppProcess


def app_of_fakes(**env: str) -> AppProcess:
    """The app, to be started, with these variables in its environment."""
    return AppProcess(launcher="tests/ui/fake_app.py", env={"PYTHONPATH": str(ROOT), **env})
