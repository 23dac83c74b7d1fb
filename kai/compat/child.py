"""What a child process is told of our environment: a list of names that may pass, everything else stays here.

The app's environment holds keys of providers, and on a developer's computer everything else that a shell collects: tokens
of code hosts, passwords of databases. A child needs none of them, and each copy is readable in ``/proc/<pid>/environ``. A
list of names to keep out would never be whole, so there is a list of names to let in: what an interpreter, its libraries and
the operating system need to start, to find their folders, to speak the person's language and to know the time zone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Final

_OF_THE_SYSTEM: Final = """
PATH HOME USER LOGNAME SHELL LANG LANGUAGE TZ TMPDIR TMP TEMP LD_LIBRARY_PATH DYLD_LIBRARY_PATH DYLD_FALLBACK_LIBRARY_PATH
SSL_CERT_FILE SSL_CERT_DIR REQUESTS_CA_BUNDLE CURL_CA_BUNDLE
"""
# Without SystemRoot no socket can be opened there.
_OF_WINDOWS: Final = """
SYSTEMROOT SYSTEMDRIVE WINDIR COMSPEC PATHEXT APPDATA LOCALAPPDATA PROGRAMDATA USERPROFILE USERNAME HOMEDRIVE HOMEPATH
NUMBER_OF_PROCESSORS PROCESSOR_ARCHITECTURE
"""
_OF_PYTHON: Final = """
PYTHONPATH PYTHONHOME PYTHONUTF8 PYTHONIOENCODING PYTHONDONTWRITEBYTECODE PYTHONPYCACHEPREFIX PYTHONUNBUFFERED PYTHONSAFEPATH
PYTHONFAULTHANDLER PYTHONHASHSEED PYTHONWARNINGS PYTHONASYNCIODEBUG PYTHONNOUSERSITE PYTHONUSERBASE VIRTUAL_ENV CONDA_PREFIX
OMP_NUM_THREADS OPENBLAS_NUM_THREADS MKL_NUM_THREADS
"""
# Which language model, whether to fetch it, and where another program may keep it.
_OF_THE_MODEL: Final = """
KAI_MIND KAI_MIND_TEMPERATURE KAI_MIND_SEED KAI_FETCH_MODEL OLLAMA_MODELS HF_HOME HF_HUB_CACHE HUGGINGFACE_HUB_CACHE
"""
_PASSED_ON: Final = frozenset(
    f"{_OF_THE_SYSTEM} {_OF_WINDOWS} {_OF_PYTHON} {_OF_THE_MODEL} KAI_TEST_MARKS".split()
)
_PASSED_ON_KINDS: Final = re.compile(r"LC_\w+|XDG_\w+|NUMBA_\w+|KAI_\w+_DIR")
PROXIES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
"""The variables that name a proxy; each is read in small letters, too."""
_SOURCES: Final = re.compile(r"PIP_\w+|HF_ENDPOINT")
"""Where pip and the maker of the language model are reached in this person's network: a mirror, for instance."""


def child_environment(added: Mapping[str, str] | None = None, *, goes_online: bool = False) -> dict[str, str]:
    """The environment of a child process: what stands on the list of names, and ``added``, which wins.

    ``goes_online``: the child calls other computers by itself, so it is told of the proxy and of mirrors as well, whose
    addresses may hold their own passwords.
    """
    passed = {name: value for name, value in os.environ.items() if _may_pass(name.upper(), goes_online)}
    return passed | dict(added or {})


def _may_pass(name: str, goes_online: bool) -> bool:
    if name in _PASSED_ON or _PASSED_ON_KINDS.fullmatch(name) is not None:
        return True
    return goes_online and (name in PROXIES or _SOURCES.fullmatch(name) is not None)
