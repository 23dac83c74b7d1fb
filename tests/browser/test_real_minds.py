"""A talk in the page over two model servers behind which a real model thinks; one of them is killed in mid-answer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Locator, expect

from kai.bench.driver import ROOT, Visitor
from kai.ui import texts
from tests.browser.test_minds import ask, open_list, talking_beside

REPRODUCIBLE = {"KAI_MIND_TEMPERATURE": "0", "KAI_MIND_SEED": "1"}
LOADS_MS = 180_000
THINKS_S = 90.0
SLOWLY = ("--pace", "0.15")
"""So that an answer lasts long enough to be interrupted."""


@dataclass
class RealMind:
    """A running stand-in with a real model: its process, its port and its model's name."""

    process: subprocess.Popen[str]
    port: int
    model: str


@contextmanager
def real_mind(kind: str, model_path: Path, *options: str) -> Generator[RealMind]:
    """``tests.support.real_mind`` as a process of its own, which may be killed."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.real_mind", kind, *options],
        cwd=ROOT,
        env={**os.environ, **REPRODUCIBLE, "KAI_MIND": str(model_path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            told = json.loads(process.stdout.readline())
            yield RealMind(process, urlsplit(told["base_url"]).port or 0, told["model"])
        finally:
            process.stdin.close()


def choose(person: Visitor, minds: Locator, model: str) -> None:
    """Press that model."""
    minds.locator(".pick").filter(has_text=model).click()
    expect(minds.locator(".told").first).to_contain_text(f"{model} answers", timeout=LOADS_MS)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_two_real_minds_answer_in_turn_and_one_that_is_killed_is_replaced_by_kais_own(
    chromium: Path, tmp_path: Path, model_path: Path
) -> None:
    with (
        real_mind("ollama", model_path, *SLOWLY) as ollama,
        real_mind("lmstudio", model_path) as studio,
        talking_beside(chromium, tmp_path, ollama.port, studio.port) as person,
    ):
        minds = open_list(person)
        choose(person, minds, ollama.model)
        ask(person, "My sister is called Petra. Why is the sky blue?", "light", THINKS_S)
        ask(person, "What is my sister called?", "Petra", THINKS_S)

        person.say("Tell me a long story about a lighthouse.")
        person.wait(lambda: len(person.line_of("assistant", 3)) > 40, THINKS_S, "the beginning of a story")
        ollama.process.kill()
        person.wait(
            lambda: "with my own mind instead" in person.line_of("assistant", 3), 30, "a word about it"
        )
        person.wait_state(texts.LISTENING, 60)
        ask(person, "What is five plus five?", "is 10")

        choose(person, minds, studio.model)
        ask(person, "What is the capital of France?", "Paris", THINKS_S)
