"""What counts as a line of code."""

from __future__ import annotations

import runpy
from pathlib import Path

TOOL = runpy.run_path(str(Path(__file__).resolve().parents[2] / "tools/count_code.py"))

SOURCE = '''"""A module's docstring,
of two lines."""

import os  # a comment beside code


class Kept:
    """A docstring."""

    name: str = ""
    """A docstring of a field."""

    def told(self) -> str:
        # A comment alone.
        return """a text
        of three lines,
        which is a value"""
'''


def test_blanks_comments_and_docstrings_are_no_code_and_a_text_that_is_a_value_is() -> None:
    assert TOOL["code_lines"](SOURCE) == len(
        ["import", "class", "name", "def", "return a text", "of three lines", "which is a value"]
    )


def test_a_room_is_a_folder_of_kai_or_a_file_that_stands_alone() -> None:
    assert TOOL["room_of"]("kai/ui/sidebar/who.py") == "kai/ui"
    assert TOOL["room_of"]("kai/compose.py") == "kai/compose.py"
