"""The route of other minds: who may wish, what a wish reaches, and that no key comes back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from kai.adapters.other_minds import OtherMind
from kai.errors import EngineError
from kai.records.memory import Memory
from kai.ui import mind_routes
from kai.ui.host import COOKIE_NAME
from tests.ui.conftest import serving
from tests.ui.fakes import make_app

OWN = {"state": "own", "model": ""}
SERVER = {
    "kind": "ollama",
    "name": "Ollama",
    "url": "http://127.0.0.1:11434/v1",
    "models": [],
    "needs_key": False,
}


@dataclass
class Desk:
    """Remembers what it was asked."""

    asked: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])
    problem: EngineError | None = None

    async def status(self) -> dict[str, Any]:
        return OWN

    async def find(self) -> list[dict[str, Any]]:
        self.asked.append(("find", "", ""))
        return [SERVER]

    async def try_it(self, mind: OtherMind) -> dict[str, Any]:
        self.asked.append(("try", mind.base_url, mind.api_key.get_secret_value()))
        if self.problem is not None:
            raise self.problem
        return {"is_fine": True, "models": []}

    async def choose(self, mind: OtherMind) -> dict[str, Any]:
        self.asked.append(("choose", mind.base_url, mind.model))
        return {**OWN, "state": "loading" if mind.base_url else "own"}

    async def files(self) -> dict[str, Any]:
        return {"on": "", "models": []}

    async def change_file(self, model_id: str, wish: str) -> dict[str, Any]:
        self.asked.append((wish, model_id, ""))
        return {"on": model_id if wish == "on" else "", "models": []}


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def client(desk: Desk, tmp_path: Path) -> Iterator[TestClient]:
    app = replace(make_app(Memory(tmp_path)), minds=desk)  # type: ignore[arg-type]
    with (
        serving(app),
        TestClient(
            Starlette(routes=mind_routes.routes()),
            base_url="http://127.0.0.1",
            cookies={COOKIE_NAME: "browser-of-the-test"},
        ) as client,
    ):
        yield client


def test_nothing_is_looked_for_before_a_person_asks(client: TestClient, desk: Desk) -> None:
    assert client.get("/api/minds").json() == {"chosen": OWN}
    assert desk.asked == []
    assert client.post("/api/minds", json={"wish": "find"}).json() == {"servers": [SERVER], "chosen": OWN}


def test_wishes_reach_the_engine_and_no_key_comes_back(client: TestClient, desk: Desk) -> None:
    given = {"url": " https://minds.example/v1 ", "model": "large", "key": "seeded-secret"}
    tried = client.post("/api/minds", json={"wish": "try", **given})
    chosen = client.post("/api/minds", json={"wish": "choose", **given})
    back = client.post("/api/minds", json={"wish": "own"})
    assert desk.asked == [
        ("try", "https://minds.example/v1", "seeded-secret"),
        ("choose", "https://minds.example/v1", "large"),
        ("choose", "", ""),
    ]
    assert (chosen.json()["chosen"]["state"], back.json()["chosen"]["state"]) == ("loading", "own")
    assert "seeded-secret" not in tried.text + chosen.text


def test_files_are_listed_and_changed(client: TestClient, desk: Desk) -> None:
    assert client.post("/api/minds", json={"wish": "files"}).json() == {"files": {"on": "", "models": []}}
    for wish in ("fetch", "pause", "on", "delete"):
        assert (
            client.post("/api/minds", json={"wish": "file", "id": "qwen3-1.7b", "do": wish}).status_code
            == 200
        )
    assert [wish for wish, _, _ in desk.asked] == ["fetch", "pause", "on", "delete"]
    for model_id, do in (("x", "off"), ("../mind", "fetch"), ("", "fetch")):
        answer = client.post("/api/minds", json={"wish": "file", "id": model_id, "do": do})
        assert answer.status_code == 400


def test_what_the_engine_refuses_is_told_in_its_words(client: TestClient, desk: Desk) -> None:
    desk.problem = EngineError("The address of a mind begins with http://.", code="engine-400")
    refused = client.post("/api/minds", json={"wish": "try", "url": "ollama", "model": "m"})
    assert (refused.status_code, refused.json()["error"]["message"]) == (400, desk.problem.message)


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({}, {"wish": "format"}, 400),
        ({}, {"wish": "choose", "url": "", "model": "m"}, 400),
        ({}, {"wish": "choose", "url": ["x"], "model": "m"}, 400),
        ({}, {"wish": "choose", "url": "x" * 1_001, "model": "m"}, 400),
        ({"Origin": "http://evil.example"}, {"wish": "find"}, 403),
        ({"Host": "evil.example"}, {"wish": "find"}, 403),
        ({"Cookie": ""}, {"wish": "find"}, 403),
    ],
)
def test_what_is_no_wish_of_this_page_is_refused(
    client: TestClient, desk: Desk, headers: dict[str, str], body: dict[str, Any], status: int
) -> None:
    if "Cookie" in headers:
        client.cookies.clear()
    assert client.post("/api/minds", json=body, headers=headers).status_code == status
    assert desk.asked == []


def test_from_another_computer_no_mind_is_seen_or_chosen(
    client: TestClient, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mind_routes, "is_bound_to_loopback", lambda: False)
    assert client.post("/api/minds", json={"wish": "find"}).status_code == 403
    assert client.get("/api/minds").status_code == 403
    assert desk.asked == []
