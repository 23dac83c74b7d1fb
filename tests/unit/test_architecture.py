"""``docs/architecture.md`` names files and what they define; it may name nothing that is not there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WALKS = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
EVENTS = "kai/core/events.py"
PATH = re.compile(r"(?:kai|tests)(?:/[\w.]+)*")
NAME = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)?")


def blocks(text: str) -> list[str]:
    """Its paragraphs and list items, each on one line."""
    return [" ".join(block.split()) for block in re.split(r"\n\n|\n(?=\d+\. |#)", text) if block.strip()]


def named(block: str) -> Iterator[tuple[str, str]]:
    """Each name in backticks with the path that is given before it in the block; an event may come without one."""
    path = EVENTS
    for token in re.findall(r"`([^`]+)`", block):
        if PATH.fullmatch(token):
            path = token
        elif NAME.fullmatch(token):
            yield path, token


@cache
def defined_in(path: str) -> frozenset[str]:
    """Functions, classes and methods (``Class.method``) of a Python file; methods of a JavaScript file."""
    text = (ROOT / path).read_text(encoding="utf-8")
    if path.endswith(".js"):
        return frozenset(re.findall(r"^  (?:async )?(\w+)\(.*\) \{$", text, re.MULTILINE))
    found: set[str] = set()
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            methods = (n for n in node.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))
            found |= {f"{node.name}.{method.name}" for method in methods}
    return frozenset(found)


def unknown(block: str) -> list[str]:
    """The names of a block that are neither defined in the file before them nor events or commands."""
    return [
        f"{path}: {name}" for path, name in named(block) if name not in defined_in(path) | defined_in(EVENTS)
    ]


def test_every_file_that_is_named_exists() -> None:
    paths = [token for token in re.findall(r"`([^`]+)`", WALKS) if PATH.match(token)]
    assert len(paths) > 50
    assert [path for path in paths if not (ROOT / path.rstrip("/")).exists()] == []


@pytest.mark.parametrize("block", blocks(WALKS), ids=lambda block: block[:40])
def test_every_name_is_defined_in_the_file_before_it(block: str) -> None:
    assert unknown(block) == []


def test_every_walk_has_steps_and_every_step_names_a_file_and_what_works_there() -> None:
    walks = [
        part
        for part in re.split(r"^## ", WALKS, flags=re.MULTILINE)
        if re.search(r"^1\. ", part, re.MULTILINE)
    ]
    assert len(walks) == 5
    for walk in walks:
        steps = [block for block in blocks(walk) if re.match(r"\d+\. ", block)]
        assert [int(step.partition(".")[0]) for step in steps] == list(range(1, len(steps) + 1))
        assert all(list(named(step)) for step in steps)


def test_a_name_that_is_not_in_its_file_is_found() -> None:
    step = "1. `kai/core/store.py`: `Store.dispatch` and `Store.vanish` of `kai/ports.py`: `Store`, on `InterruptRequested`."
    assert unknown(step) == ["kai/core/store.py: Store.vanish", "kai/ports.py: Store"]
