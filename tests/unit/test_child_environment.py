"""What a child process is told of our environment."""

from __future__ import annotations

import os

import pytest

from kai.compat.child import PROXIES, child_environment

SECRETS = """
OPENAI_API_KEY LIVEAVATAR_API_KEY HEYGEN_API_KEY KAI_MIND_API_KEY KAI_PASSWORD_HASH KAI_ICE_SERVERS GITHUB_TOKEN
AWS_SECRET_ACCESS_KEY DATABASE_URL HF_TOKEN LC LCX_TOKEN MY_PATH PATH_TOKEN XDG KAI_DIR_KEY KAI__DIRECT KAI_TEST_MARKS
PYTHON_KEYRING
"""
NEEDED = """
PATH HOME LANG LC_ALL LC_TIME TZ TMPDIR PYTHONPATH VIRTUAL_ENV XDG_CACHE_HOME SystemRoot SSL_CERT_FILE NUMBA_CACHE_DIR
KAI_CACHE_DIR KAI_WEIGHTS_DIR LD_LIBRARY_PATH
"""


@pytest.mark.parametrize("goes_online", [False, True])
@pytest.mark.parametrize("name", SECRETS.split())
def test_a_name_that_is_not_on_the_list_stays_here(
    name: str, goes_online: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "seeded-secret")
    assert "seeded-secret" not in child_environment(goes_online=goes_online).values()


@pytest.mark.parametrize("name", NEEDED.split())
def test_a_name_that_a_program_needs_is_handed_on(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "seeded")
    assert child_environment()[name] == "seeded"


@pytest.mark.parametrize("name", [*PROXIES, *(name.lower() for name in PROXIES)])
def test_a_proxy_is_told_to_a_child_that_goes_online_alone(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "http://user:secret@proxy.example:8080")
    assert name not in child_environment()
    assert child_environment(goes_online=True)[name] == "http://user:secret@proxy.example:8080"


def test_what_is_added_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    assert child_environment({"OMP_NUM_THREADS": "1", "KAI_NEW": "x"}) == {
        **child_environment(),
        "OMP_NUM_THREADS": "1",
        "KAI_NEW": "x",
    }
    assert os.environ["OMP_NUM_THREADS"] == "8"
