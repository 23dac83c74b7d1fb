"""Selects the model file that Kai's own process runs, and describes the catalogue for the page.

The keeper's model runs unless a person chose another file. One process runs at a time, so a change restarts it, which takes
seconds in which the small mind answers. A file that does not run, or is too slow here, is taken off again, with the reason.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from kai.engine.models.catalogue import LanguageModel
from kai.engine.models.keeper import ModelStatus
from kai.engine.models.shelf import FileShelf
from kai.engine.models.speed import Measured, bandwidth_bytes_per_s, expected_tokens_per_s
from kai.errors import WeightsError
from kai.wire.realtime import ClientMistake, JsonObject

OWN: Final = ""
UseFile = Callable[[Path, str], Awaitable[None]]


class FileDesk:
    """The choice of the model file. Event loop only.

    ``use`` runs a file under a name. ``own`` returns the status of the keeper's model, and ``speed`` the measured tokens a
    second of the running model, if one runs.
    """

    def __init__(
        self,
        shelf: FileShelf,
        use: UseFile,
        own: Callable[[], ModelStatus],
        speed: Callable[[], float | None],
    ) -> None:
        self.shelf = shelf
        self._use = use
        self._own = own
        self._speed = speed
        self._bandwidth: float | None = None
        self.on = OWN
        self.problem = ""

    async def put_on(self, model_id: str) -> None:
        """Run that model. Raises ``WeightsError`` where its file is missing or this computer has too little memory."""
        model = self.shelf.model(model_id)
        status = await asyncio.to_thread(self.shelf.status, model)
        if status.path is None:
            raise WeightsError(f"{model.name} is not here. Fetch it first.", code="model_missing")
        if not self.shelf.fits(model):
            raise WeightsError(
                f"{model.name} needs about {model.memory_bytes / 1e9:.1f} GB of memory beside the rest of Kai, more "
                "than this computer has.",
                code="model_memory",
            )
        if self.on != model_id:
            self.on, self.problem = model_id, ""
            await self._use(status.path, model.name)

    async def take_off(self, problem: str = "") -> None:
        """Run Kai's own model again, if it is here; ``problem`` is the reason, for people, where nobody asked for it."""
        was_on, self.on, self.problem = self.on, OWN, problem
        path = self._own().path
        if was_on and path is not None:
            await self._use(path, self._own().name)

    async def to_json(self) -> JsonObject:
        """Return the whole catalogue, and the id of the file in use."""
        measured = self._measured()
        if self._bandwidth is None:
            self._bandwidth = await asyncio.to_thread(bandwidth_bytes_per_s)
        rows = [
            await asyncio.to_thread(self._row, model, self._bandwidth, measured)
            for model in self.shelf.models
        ]
        return {"on": self.on, "problem": self.problem, "is_measured": measured is not None, "models": rows}

    def _measured(self) -> Measured | None:
        tokens_per_s = self._speed()
        if not tokens_per_s:
            return None
        file_bytes = self.shelf.model(self.on).bytes if self.on else self._own().bytes
        return Measured(file_bytes, tokens_per_s) if file_bytes else None

    def _row(self, model: LanguageModel, bandwidth: float, measured: Measured | None) -> JsonObject:
        return {
            **self.shelf.row(model),
            "memory_bytes": model.memory_bytes,
            "fits": self.shelf.fits(model),
            "tokens_per_s": round(expected_tokens_per_s(model.bytes, bandwidth, measured), 1),
        }

    async def delete(self, model_id: str) -> None:
        """Remove our copy of that file; a file in use is taken off first. Raises ``WeightsError`` and ``OSError``."""
        if self.on == model_id:
            await self.take_off()
        await asyncio.to_thread(self.shelf.delete, model_id)


def file_routes(desk: FileDesk, admit: Callable[[Request], Awaitable[object]]) -> list[Route]:
    """Return the engine's private routes for model files; ``admit`` raises for a request that is not admitted."""

    async def do(request: Request) -> Response:
        await admit(request)
        wish = str(request.path_params.get("wish", "list"))
        model_id = str(request.path_params.get("model_id", ""))
        try:
            match wish:
                case "list":
                    pass
                case "fetch" | "pause":
                    desk.shelf.change(model_id, wish)
                case "delete":
                    await desk.delete(model_id)
                case "on":
                    await desk.put_on(model_id)
                case "off":
                    await desk.take_off()
                case _:
                    raise ClientMistake("There is no such wish.", param="wish")
        except WeightsError as error:
            raise ClientMistake(error.message, code=error.code, param="model_id") from error
        except OSError as error:
            words = f"The file cannot be removed ({error.strerror}). Look at the folder's permissions."
            raise ClientMistake(words, code="model_folder", param="model_id") from error
        return JSONResponse(await desk.to_json())

    return [
        Route("/kai/files", do, methods=["GET"]),
        Route("/kai/files/{model_id}/{wish}", do, methods=["POST"]),
    ]
