"""The language model's strip: what it says, what may be pressed, and who may press."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from kai.adapters.engine_status import ModelReport
from kai.checks import services
from kai.checks.run import Level
from kai.errors import WeightsError
from kai.records.memory import Memory
from kai.ui import check_texts, model_routes, model_texts
from kai.ui.host import COOKIE_NAME
from kai.ui.model import strip
from tests.ui.conftest import serving
from tests.ui.fakes import FakeModels, make_app

MODEL = ModelReport("none", "tiny", "Tiny", 1_117_320_768, 0, "Apache-2.0")


def wishes(shown: dict[str, object]) -> list[str]:
    """What may be pressed."""
    buttons = shown["buttons"]
    assert isinstance(buttons, list)
    return [button["wish"] for button in buttons]


# -- what it says ------------------------------------------------------------------------------------------------------


def test_the_offer_says_size_and_licence() -> None:
    shown = strip(MODEL, is_home=True)
    assert "1,117 MB" in str(shown["message"])
    assert "Apache-2.0" in str(shown["message"])
    assert wishes(shown) == ["fetch"]
    assert "382 MB of it are already here" in str(
        strip(replace(MODEL, done_bytes=382_000_000), is_home=True)["message"]
    )


def test_the_way_is_told_in_per_cent_and_megabytes_and_can_be_stopped() -> None:
    shown = strip(replace(MODEL, state="fetching", done_bytes=391_000_000), is_home=True)
    assert "34%, 391 MB of 1,117 MB" in str(shown["message"])
    assert (shown["percent"], shown["isMoving"], wishes(shown)) == (34, True, ["cancel"])
    whole = strip(replace(MODEL, state="fetching", done_bytes=MODEL.bytes), is_home=True)
    assert whole["message"] == model_texts.MODEL_CHECKING


def test_a_failure_says_why_and_offers_both_ways() -> None:
    shown = strip(replace(MODEL, state="failed", problem="The disk is full."), is_home=True)
    assert shown["message"] == "The disk is full."
    assert wishes(shown) == ["fetch", "fetch-maker"]
    # A file of one's own that cannot be used is no reason to fetch ours.
    assert wishes(strip(ModelReport("failed", problem="KAI_MIND is wrong."), is_home=True)) == []


@pytest.mark.parametrize("state", ["", "looking", "ready", "off"])
def test_nothing_is_shown_while_there_is_nothing_to_tell(state: str) -> None:
    assert strip(replace(MODEL, state=state), is_home=True)["message"] == ""


@pytest.mark.parametrize("state", ["none", "fetching", "failed"])
def test_who_does_not_sit_at_this_computer_is_told_and_cannot_press(state: str) -> None:
    shown = strip(replace(MODEL, state=state, problem="Why."), is_home=False)
    assert shown["message"]
    assert wishes(shown) == []


# -- the route ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def models() -> FakeModels:
    return FakeModels(MODEL)


@pytest.fixture
def client(models: FakeModels, tmp_path: Path) -> Iterator[TestClient]:
    app = Starlette(routes=model_routes.routes())
    cookies = {COOKIE_NAME: "browser-of-the-test"}
    with (
        serving(make_app(Memory(tmp_path), models=models)),
        TestClient(app, base_url="http://127.0.0.1", cookies=cookies) as client,
    ):
        yield client


def test_a_press_reaches_the_engine_and_the_answer_is_how_it_is_then(
    client: TestClient, models: FakeModels
) -> None:
    assert client.get("/api/model").json()["kind"] == "offer"
    assert client.post("/api/model", json={"wish": "fetch"}).json()["kind"] == "coming"
    assert client.post("/api/model", json={"wish": "cancel"}).json()["kind"] == "offer"
    assert client.post("/api/model", json={"wish": "fetch-maker"}).json()["kind"] == "coming"
    assert models.wishes == ["fetch tiny", "cancel tiny", "fetch-maker tiny"]


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({}, {"wish": "format"}, 400),
        ({}, {}, 400),
        ({"Origin": "http://evil.example"}, {"wish": "fetch"}, 403),
        ({"Host": "evil.example"}, {"wish": "fetch"}, 403),
        ({"Cookie": ""}, {"wish": "fetch"}, 403),
    ],
)
def test_what_is_no_press_of_this_page_is_refused(
    client: TestClient, models: FakeModels, headers: dict[str, str], body: dict[str, str], status: int
) -> None:
    if "Cookie" in headers:
        client.cookies.clear()
    assert client.post("/api/model", json=body, headers=headers).status_code == status
    assert models.wishes == []


def test_from_another_computer_nothing_is_fetched(
    client: TestClient, models: FakeModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_routes, "is_bound_to_loopback", lambda: False)
    assert client.post("/api/model", json={"wish": "fetch"}).status_code == 403
    assert client.get("/api/model").json()["buttons"] == []
    assert models.wishes == []


def test_where_no_model_can_be_fetched_a_press_says_so(client: TestClient, models: FakeModels) -> None:
    models.model = ModelReport()
    assert client.post("/api/model", json={"wish": "fetch"}).status_code == 404


# -- the check ---------------------------------------------------------------------------------------------------------


def finding(
    state: str, *, problem: str = "", is_own: bool = False, wrong: str = ""
) -> tuple[Level, str, str]:
    """Level and words of what the check finds for that state; ``wrong`` is what hashing the file would say."""

    def check_whole() -> None:
        if wrong:
            raise WeightsError(wrong)

    status = services.ModelFacts(state, "Tiny", 1_117_320_768, 391_000_000, problem, is_own, check_whole)
    found = services.check_model(lambda: status)
    return found.level, *check_texts.check_words(found.name, found.code, found.facts)


def test_the_check_hashes_a_model_that_is_here() -> None:
    level, says, _ = finding("ready")
    assert (level, says) == (Level.GREEN, "Tiny is here, 1.1 GB, every byte verified.")
    level, says, fix = finding("ready", wrong="The file of the language model is cut short.")
    assert (level, says) == (Level.AMBER, "The file of the language model is cut short.")
    assert "download the model" in fix
    assert finding("ready", is_own=True, wrong="not asked")[0] is Level.GREEN


@pytest.mark.parametrize(
    ("state", "level", "words"),
    [
        ("", Level.UNUSED, "OpenAI"),
        ("off", Level.UNUSED, "KAI_MIND=none"),
        ("none", Level.AMBER, "not here"),
        ("fetching", Level.AMBER, "34%"),
        ("failed", Level.AMBER, "The disk is full."),
        ("unsupported", Level.AMBER, "The disk is full."),
    ],
)
def test_the_check_says_how_the_model_is(state: str, level: Level, words: str) -> None:
    found, says, fix = finding(state, problem="The disk is full.")
    assert found is level
    assert words in says
    assert bool(fix) is (level is Level.AMBER)


def test_the_check_hashes_the_very_file_that_the_engine_named(tmp_path: Path) -> None:
    from kai.engine.models.places import check_file
    from tests.support.tiny_models import make_model

    model, whole = make_model(tmp_path / "wheels")
    path = tmp_path / "a.gguf"
    path.write_bytes(whole[:-1])
    with pytest.raises(WeightsError, match="cut short"):
        check_file(path, model, tmp_path)
    path.write_bytes(whole)
    check_file(path, model, tmp_path)
