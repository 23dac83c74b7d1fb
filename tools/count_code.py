"""Count lines of code, without blanks, comments and docstrings: ``count_code.py [BASE [HEAD]] [--under FOLDER]``.

Prints the lines by room for the working tree; with one commit, for that commit; with two, for both and the difference.
``--of A B C`` prints the changes of these commits, each against its parent, without the commits between them.
"""

from __future__ import annotations

import argparse
import ast
import io
import subprocess
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[1]
NO_CODE = frozenset(
    (
        tokenize.COMMENT,
        tokenize.NL,
        tokenize.NEWLINE,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.ENCODING,
        tokenize.ENDMARKER,
    )
)


def code_lines(source: str) -> int:
    """Return the number of lines of ``source`` with a token of code. A string statement is a docstring and does not count."""
    held: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in NO_CODE:
            held.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        ):
            held.difference_update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(held)


def room_of(path: str) -> str:
    """Return the first two parts of a path: ``kai/ui``, or ``kai/compose.py`` for a file that is a room of its own."""
    return "/".join(PurePosixPath(path).parts[:2])


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, check=True, text=True).stdout


def sources(commit: str | None, under: str) -> Iterator[tuple[str, str]]:
    """Yield path and text of each Python file below a folder, of a commit or (``None``) of the working tree."""
    if commit is None:
        for path in sorted((ROOT / under).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
        return
    for path in _git("ls-tree", "-r", "--name-only", commit, "--", under).splitlines():
        if path.endswith(".py"):
            yield path, _git("show", f"{commit}:{path}")


def count(commit: str | None, under: str) -> Counter[str]:
    """Return the lines of code by room."""
    rooms: Counter[str] = Counter()
    for path, source in sources(commit, under):
        rooms[room_of(path)] += code_lines(source)
    return rooms


def print_change(before: Counter[str], after: Counter[str]) -> None:
    """Print both counts and the difference, by room and in total."""
    print(f"{'':28} {'before':>7} {'after':>7} {'change':>7}")
    for room in sorted(before | after):
        print(f"{room:28} {before[room]:7,} {after[room]:7,} {after[room] - before[room]:+7,}")
    print(f"{'all':28} {before.total():7,} {after.total():7,} {after.total() - before.total():+7,}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("commits", nargs="*", metavar="COMMIT", help="one commit, or two to compare")
    parser.add_argument("--of", nargs="+", default=[], metavar="COMMIT", help="what these commits changed")
    parser.add_argument("--under", default="kai", help="the folder whose files are counted")
    given = parser.parse_args()
    if given.of:
        before: Counter[str] = Counter()
        after: Counter[str] = Counter()
        for commit in given.of:
            of_parent, of_commit = count(f"{commit}^", given.under), count(commit, given.under)
            for room in of_parent | of_commit:
                if of_parent[room] != of_commit[room]:
                    before[room] += of_parent[room]
                    after[room] += of_commit[room]
        print_change(before, after)
    elif len(given.commits) == 2:
        print_change(*(count(commit, given.under) for commit in given.commits))
    elif len(given.commits) < 2:
        rooms = count(next(iter(given.commits), None), given.under)
        for room, lines in sorted(rooms.items()):
            print(f"{room:28} {lines:7,}")
        print(f"{'all':28} {rooms.total():7,}")
    else:
        parser.error("two commits at most")


if __name__ == "__main__":
    main()
