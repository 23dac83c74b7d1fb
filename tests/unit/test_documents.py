"""Files that the page uploads: kept under safe names, refused with a reason, given to the engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from kai.adapters.engine_minds import read_documents
from kai.records.documents import MAX_FILE_BYTES, MAX_FILES, DocumentError, Documents


def test_what_was_added_is_what_the_engine_is_given_until_it_is_removed(tmp_path: Path) -> None:
    documents = Documents(tmp_path / "documents")
    assert documents.names() == ()
    documents.add("Plan.MD", b"# Opening\nWe open at nine.")
    documents.add("notes.txt", b"old")
    documents.add("notes.txt", b"new")
    assert documents.names() == ("Plan.md", "notes.txt")
    assert read_documents(documents.folder) == (
        ("Plan.md", "# Opening\nWe open at nine."),
        ("notes.txt", "new"),
    )
    documents.remove("Plan.md")
    documents.remove("never.txt")
    assert documents.names() == ("notes.txt",)
    assert (documents.folder / "notes.txt").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../etc/passwd.txt", "passwd.txt"),
        ("C:\\Users\\me\\a.txt", "a.txt"),
        ("..txt.md", "txt.md"),
        ("ü <b>.md", "ü _b_.md"),
    ],
)
def test_a_name_leads_nowhere_else(tmp_path: Path, name: str, kept: str) -> None:
    documents = Documents(tmp_path / "documents")
    assert documents.add(name, b"text") == kept
    assert [path.name for path in documents.folder.iterdir()] == [kept]
    assert [path.name for path in tmp_path.iterdir()] == ["documents"]


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("a.pdf", b"%PDF", "kind"),
        ("a", b"text", "kind"),
        ("a.txt", b"x" * (MAX_FILE_BYTES + 1), "too-large"),
        ("a.txt", b"\xff\xfe\x00", "not-text"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_reason(
    tmp_path: Path, name: str, content: bytes, code: str
) -> None:
    documents = Documents(tmp_path)
    with pytest.raises(DocumentError) as caught:
        documents.add(name, content)
    assert caught.value.code == code
    assert documents.names() == ()


def test_there_is_an_end_to_how_many_are_kept(tmp_path: Path) -> None:
    documents = Documents(tmp_path)
    for number in range(MAX_FILES):
        documents.add(f"{number}.txt", b"x")
    with pytest.raises(DocumentError, match="Remove one"):
        documents.add("more.txt", b"x")
    assert documents.add("1.txt", b"y") == "1.txt"
