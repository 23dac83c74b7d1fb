"""What a person's machine brings into the settings is met at the edge: taken, or refused in words without its value."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tests.support.strategies  # noqa: F401, loads the profile
from kai.adapters.engine_minds import read_documents
from kai.compat.text_files import decode_text
from kai.core.state import Look
from kai.errors import ConfigError
from kai.records.documents import DocumentError, Documents
from kai.records.preferences import preset_of, read_preset
from kai.settings import Settings, checked
from kai.ui import server

KEY = "sk-proj-Ab12Cd34Ef56"
VARIABLES = [
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "LIVEAVATAR_API_KEY",
    "HEYGEN_API_KEY",
    *(f"KAI_{name.upper()}" for name in Settings.model_fields),
]


@pytest.fixture(autouse=True)
def empty_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without .env, and no setting in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return tmp_path


ENCODINGS = {
    "UTF-8": lambda text: text.encode(),
    "UTF-8 with a mark": lambda text: codecs.BOM_UTF8 + text.encode(),
    "UTF-16": lambda text: text.encode("utf-16"),
    "UTF-16 little": lambda text: codecs.BOM_UTF16_LE + text.encode("utf-16-le"),
    "UTF-16 big": lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
    "UTF-16 without a mark": lambda text: text.encode("utf-16-le"),
    "UTF-32": lambda text: text.encode("utf-32"),
    "UTF-32 big": lambda text: codecs.BOM_UTF32_BE + text.encode("utf-32-be"),
    "code page 1252": lambda text: text.encode("cp1252"),
    "Latin-1": lambda text: text.encode("latin-1"),
}


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["unix", "windows"])
def test_a_file_of_settings_in_any_encoding_is_read(encoding: str, end: str) -> None:
    text = end.join(
        ["# für Café", f"OPENAI_API_KEY={KEY}", "KAI_MIND_MODEL=müsli", "KAI_MIND_BASE_URL=http://x/v1", ""]
    )
    Path(".env").write_bytes(ENCODINGS[encoding](text))
    settings = Settings.load()
    assert settings.openai_api_key is not None
    assert settings.openai_api_key.get_secret_value() == KEY
    assert settings.mind_model == "müsli"


@pytest.mark.parametrize(
    "data",
    [
        b"\x89PNG\r\n\x1a\n\x00\x00",
        codecs.BOM_UTF16_LE + b"O\x00P",
        codecs.BOM_UTF16_LE + b"\x00\xd8O\x00",
        codecs.BOM_UTF8 + b"\xff",
        codecs.BOM_UTF32_LE + b"\x00\x00\x11\x00\xff\xff\xff\xff",
        b"KAI=\x81\x8d",
        b"KAI=1\x00",
        b"%PDF-1.7\n\x01\x02",
    ],
)
def test_a_file_of_settings_that_is_no_text_is_refused_in_a_sentence(data: bytes) -> None:
    Path(".env").write_bytes(data)
    with pytest.raises(ConfigError, match=r"^\.env cannot be read as text\. Save it as UTF-8"):
        Settings.load()


@given(st.binary(max_size=40))
def test_any_bytes_are_a_text_or_are_refused(data: bytes) -> None:
    try:
        text = decode_text(data, "notes.txt")
    except ConfigError as exc:
        text = exc.message
    assert "\0" not in text
    text.encode()


texts = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), min_size=1, max_size=20)


@given(texts, st.sampled_from(["utf-8-sig", "utf-16", "utf-32"]))
def test_a_text_with_a_mark_comes_back_as_it_was(text: str, encoding: str) -> None:
    assert decode_text(text.encode(encoding), "notes.txt") == text


BAD_KEYS = {
    "curly quotes": f"\u201c{KEY}\u201d",
    "German quotes": f"\u201e{KEY}\u201c",
    "a single curly quote": f"{KEY}\u2019",
    "a zero-width space": f"sk-\u200b{KEY}",
    "a zero-width space at the end": f"{KEY}\u200b",
    "a byte order mark in the middle": f"sk-\ufeff{KEY}",
    "a soft hyphen": f"sk-\u00ad{KEY}",
    "a mark of direction": f"\u202a{KEY}\u202c",
    "a Cyrillic letter": "sk-pr\u043ej-Ab12Cd34",
    "a Greek letter": "sk-\u0391b12Cd34Ef56",
    "a full-width letter": "\uff53k-Ab12Cd34Ef56",
    "a long dash": "sk\u2013proj-Ab12Cd34",
    "a line break": f"sk-proj-\n{KEY}",
    "a tab": f"sk-proj-\t{KEY}",
    "a space": f"sk-proj- {KEY}",
    "a space that does not break": f"sk-proj-\u00a0{KEY}",
    "half a character": f"{KEY}\udce9",
    "Bearer": f"Bearer {KEY}",
    "bearer": f"bearer {KEY}",
    "a header": f"Authorization: Bearer {KEY}",
    "its own name": f"OPENAI_API_KEY={KEY}",
    "its name in small letters": f"openai_api_key={KEY}",
    "a header's name": f"api-key:{KEY}",
    "an address": "https://platform.openai.com/api-keys",
    "your-key-here": "your-key-here",
    "your_api_key": "your_api_key",
    "YOUR API KEY": "YOUR API KEY",
    "sk-your-key": "sk-your-key",
    "<your key>": "<your key>",
    "${KEY}": "${OPENAI_KEY}",
    "sk-...": "sk-...",
    "sk-proj-...": "sk-proj-...",
    "xxxx": "xxxxxxxx",
    "sk-xxxx": "sk-xxxxxxxxxxxx",
    "****": "sk-********",
    "change-me": "change-me",
    "insert": "insert-your-key",
    "[key]": "[OPENAI_API_KEY]",
    "a comma": f"{KEY},",
    "a semicolon": f"{KEY};",
    "a written line break": f"{KEY}\\n",
    "back quotes": f"`{KEY}`",
    "one quotation mark": f'{KEY}"',
    "brackets": f"({KEY})",
    "another scheme": f"Basic {KEY}",
    "export": f"export OPENAI_API_KEY={KEY}",
    "a remark": f"{KEY} # mine",
}
NO_KEYS = ["null", "None", "undefined", "nil", "true", "FALSE"]


@pytest.mark.parametrize("bad", BAD_KEYS)
@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "LIVEAVATAR_API_KEY", "KAI_MIND_API_KEY"])
def test_a_key_that_cannot_be_one_is_refused_by_name_and_never_quoted(name: str, bad: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Settings.load({name: BAD_KEYS[bad]})
    message = caught.value.message
    assert name in message
    assert ".env" in message
    for part in (BAD_KEYS[bad], KEY, "Ab12"):
        assert part not in message.replace("OPENAI_API_KEY", "") or part in ("your key", name)
    assert "Value error" not in message


@pytest.mark.parametrize("word", NO_KEYS)
@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "LIVEAVATAR_API_KEY"])
def test_a_program_s_word_for_nothing_is_no_key_of_a_provider(name: str, word: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} is a word that stands for no key"):
        Settings.load({name: word})


@pytest.mark.parametrize(
    "given_text",
    [KEY, f"  {KEY}\n", f'"{KEY}"', f"'{KEY}'", f'" {KEY} "', f"\ufeff{KEY}", f"\u00a0{KEY}\r\n"],
)
def test_what_is_harmless_round_a_key_is_taken_off(given_text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", given_text)
    settings = Settings.load()
    assert settings.openai_api_key is not None
    assert settings.openai_api_key.get_secret_value() == KEY


@pytest.mark.parametrize(
    "key",
    [
        "test-key",
        "any",
        "none",
        "EMPTY",
        "ollama",
        "sk-no-key-required",
        "add0f3c2-1b2c-4d5e-8f90-123456789abc",
        "MWEyYjNjNGQ1ZTZmLTE3MDAwMDAwMDA=",
        "gsk_theBestKeyOfAll",
        "k-1",
    ],
)
def test_a_key_that_may_be_one_is_taken(key: str) -> None:
    assert checked("mind_api_key", key) == key


@pytest.mark.parametrize("empty", ["", " ", '""', "''", "\n"])
@pytest.mark.parametrize("name", VARIABLES)
def test_an_empty_setting_is_one_that_is_not_there(
    name: str, empty: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, empty)
    assert Settings.load() == Settings()


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:11434/v1",
        "localhost:11434",
        "api.openai.com/v1",
        "//api.openai.com/v1",
        "ftp://x/v1",
        "ws://x/v1",
        "http:/x",
        "http://",
        "https:///v1",
        "http://x:port/v1",
        "http://x:99999/v1",
        "http://[::1/v1",
        "http://x /v1",
        "http:\\\\x\\v1",
        "http://x\u200b/v1",
        "\u201chttp://x/v1\u201d",
        "x",
    ],
)
@pytest.mark.parametrize("name", ["OPENAI_BASE_URL", "KAI_MIND_BASE_URL", "KAI_LIVEAVATAR_URL"])
def test_an_address_that_is_none_is_refused_by_name(name: str, url: str) -> None:
    with pytest.raises(ConfigError, match=name) as caught:
        Settings.load({name: url, "KAI_MIND_MODEL": "m"} if "MIND" in name else {name: url})
    assert url not in re.sub(r"with http:// .*", "", caught.value.message) or url == "x"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KAI_LIVEAVATAR_MINUTES", "0"),
        ("KAI_LIVEAVATAR_MINUTES", "-5"),
        ("KAI_LIVEAVATAR_MINUTES", "inf"),
        ("KAI_LIVEAVATAR_MINUTES", "nan"),
        ("KAI_LIVEAVATAR_MINUTES", "1e9"),
        ("KAI_LIVEAVATAR_MINUTES", "twenty"),
        ("KAI_LIVEAVATAR_SANDBOX", "perhaps"),
        ("KAI_HISTORY", "2"),
        ("KAI_LIVEAVATAR_QUALITY", "best"),
        ("KAI_FACE_QUALITY", "ultra"),
        ("KAI_LOG_LEVEL", "chatty"),
        ("KAI_DOCUMENTS", "nowhere"),
        ("KAI_ICE_SERVERS", "stun:example.org"),
        ("KAI_ICE_SERVERS", '[{"urls": 7}]'),
        ("KAI_ICE_SERVERS", "[{"),
        ("KAI_OPENAI_MODEL", "gpt realtime"),
        ("KAI_DATA_DIR", "da\u200bta"),
    ],
)
def test_any_other_setting_that_cannot_be_is_refused_by_name(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError) as caught:
        Settings.load()
    assert re.search(rf"\b{name}\b", caught.value.message)
    assert value not in caught.value.message or value in ("0", "2")


def test_words_are_taken_however_they_are_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "notes").mkdir()
    for name, value in {
        "KAI_LIVEAVATAR_QUALITY": " HIGH",
        "KAI_LIVEAVATAR_ENCODING": "vp8",
        "KAI_LOG_LEVEL": '"debug"',
        "KAI_DOCUMENTS": "~/notes",
        "KAI_HISTORY": " False ",
    }.items():
        monkeypatch.setenv(name, value)
    settings = Settings.load()
    assert (settings.liveavatar_quality, settings.liveavatar_encoding) == ("high", "VP8")
    assert (settings.log_level, settings.history) == ("DEBUG", False)
    assert settings.documents == tmp_path / "notes"


@given(
    st.text(max_size=12), st.sampled_from(["openai_api_key", "mind_base_url", "openai_model", "mind_model"])
)
def test_whatever_is_pasted_is_plain_afterwards_or_refused_without_being_quoted(text: str, name: str) -> None:
    try:
        taken = checked(name, text)
    except ValueError as exc:
        message = str(exc)
        assert len(text.strip()) < 4 or text.strip() not in message  # noqa: PT017, either is right
        return
    assert taken == taken.strip()
    assert taken.isprintable()
    assert taken.isascii() or name == "mind_model"


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_streamlits_file_of_secrets_in_any_encoding_is_read(
    encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "secrets.toml"
    path.write_bytes(ENCODINGS[encoding](f'# für Café\nOPENAI_API_KEY = "{KEY}"\n'))
    monkeypatch.setattr(server.st_config, "get_option", lambda name: [str(path)])
    found = server.settings().openai_api_key
    assert found is not None
    assert found.get_secret_value() == KEY


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"OPENAI_API_KEY = = 1", "valid TOML .line 1"), (b"\xff\xfe\x00\xd8", "Save it as UTF-8")],
)
def test_a_file_of_secrets_that_cannot_be_read_is_named(
    content: bytes, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "secrets.toml"
    path.write_bytes(content)
    monkeypatch.setattr(server.st_config, "get_option", lambda name: [str(path)])
    with pytest.raises(ConfigError, match=f"secrets.toml .*{words}"):
        server.settings()


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_persons_document_in_any_encoding_is_read(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_bytes(ENCODINGS[encoding]("Das Café öffnet um neun."))
    (tmp_path / "picture.txt").write_bytes(b"\x89PNG\x00\x01")
    assert read_documents(tmp_path) == (("notes.txt", "Das Café öffnet um neun."),)
    kept = Documents(tmp_path / "kept")
    name = kept.add("notes.txt", (tmp_path / "notes.txt").read_bytes())
    assert (kept.folder / name).read_text(encoding="utf-8") == "Das Café öffnet um neun."
    with pytest.raises(DocumentError, match="Save it as UTF-8"):
        kept.add("picture.txt", b"\x89PNG\x00\x01")


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_preset_in_any_encoding_is_read(encoding: str) -> None:
    preset = preset_of("Für Café", Look())
    assert read_preset(ENCODINGS[encoding](preset.model_dump_json(indent=1))) == preset
