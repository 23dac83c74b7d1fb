"""The engine's HTTP and WebSocket routes: the Realtime API of the reference for the official clients, and Kai's own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import time
from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Final, cast

import numpy as np
from numpy.typing import NDArray
from starlette.applications import Starlette
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from kai.compat.format import HEARING_HZ, SPEECH_HZ
from kai.engine import session
from kai.engine.access import Denied, Guard, Keys, answer_denied, key_of, refusal
from kai.engine.call import Call
from kai.engine.chat_client import ChatEndpoint
from kai.engine.items import new_id
from kai.engine.llm.model import ModelHost
from kai.engine.minds import Minds
from kai.engine.models.desk import FileDesk, file_routes
from kai.engine.models.keeper import ModelKeeper
from kai.engine.models.shelf import FileShelf
from kai.engine.new_session import NewSession
from kai.engine.others.choice import Choice
from kai.engine.others.routes import mind_routes
from kai.engine.replaying import RecordedCall, read_calls
from kai.engine.socket import converse, join_call
from kai.engine.speech.kit import SpeechKit
from kai.engine.speech.voices import CHOICES, PREVIEW_WORDS, parse_voice
from kai.engine.thinking import Thinker
from kai.engine.workers import Workers
from kai.errors import EngineError, WeightsError
from kai.media import pcm
from kai.wire import marks
from kai.wire import realtime as wire
from kai.wire.session_object import SessionConfig

logger = logging.getLogger(__name__)

MAX_CONVERSATIONS: Final = 8
MAX_BODY_BYTES: Final = 1 << 20
MAX_MIND_BYTES: Final = 8 << 20
MAX_SOUND_BYTES: Final = 12 << 20
MAX_WEBSOCKET_BYTES: Final = 24 << 20
LONGEST_SESSION_S: Final = 3600.0
NEGOTIATE_S: Final = 10.0
SECRET_SECONDS: Final = range(10, 7201)
_CANDIDATE_PORT: Final = re.compile(r"(?m)^(a=candidate:\S+ \d+ \w+ \d+ \S+ )\d+")


class Engine:
    """All conversations of one engine process.

    Bound: `MAX_CONVERSATIONS` at a time, calls and WebSockets together; a further one is refused with status 429. ``chosen``
    is the mind to begin with in place of Kai's own.
    """

    def __init__(
        self,
        speech: SpeechKit,
        *,
        run_key: str | None = None,
        longest_session_s: float = LONGEST_SESSION_S,
        models: ModelKeeper | None = None,
        chosen: ChatEndpoint | None = None,
    ) -> None:
        self._speech = speech
        self._models_at_start = models is not None
        self._models = models or ModelKeeper()
        self._workers = Workers()
        self._keys = Keys(run_key)
        self._model = ModelHost()
        self._files = FileDesk(FileShelf(), self.use_model, lambda: self._models.status, self._model_speed)
        self._choice = Choice()
        self._first_choice = chosen
        self._minds = Minds(speech.mind, self._workers, self._model, self._choice)
        self._longest_session_s = longest_session_s
        self._calls: dict[str, Call] = {}
        self._recorded_calls: deque[RecordedCall] = deque()
        self._socket_count = 0
        self._tasks: asyncio.TaskGroup | None = None

    def application(self) -> Starlette:
        """Return the ASGI application that serves this engine."""
        return Starlette(
            routes=[
                Route("/v1/realtime/calls", self._create_call, methods=["POST"]),
                Route("/v1/realtime/calls/{call_id}/hangup", self._hang_up, methods=["POST"]),
                Route("/v1/realtime/client_secrets", self._create_secret, methods=["POST"]),
                Route("/kai/status", self._tell_status, methods=["GET"]),
                Route("/kai/minds/{mind_id}", self._put_mind, methods=["PUT"]),
                Route("/kai/minds/{mind_id}", self._remove_mind, methods=["DELETE"]),
                Route("/kai/minds/{mind_id}/search", self._search_files, methods=["POST"]),
                *mind_routes(self._choice, self._read_app_body),
                Route("/kai/replay", self._set_replay, methods=["PUT"]),
                Route("/kai/transcripts", self._transcribe, methods=["POST"]),
                *file_routes(self._files, self._read_app_body),
                Route("/kai/models/{model_id}/fetch", self._fetch_model, methods=["POST", "DELETE"]),
                Route("/kai/voices/{voice_id}/preview", self._preview_voice, methods=["GET"]),
                Route("/kai/voices/files/{file_id}/{wish}", self._change_voice_file, methods=["POST"]),
                WebSocketRoute("/v1/realtime", self._connect),
            ],
            middleware=[
                Middleware(Guard),  # outermost, so that no other code handles a foreign request
                Middleware(
                    CORSMiddleware,
                    allow_origin_regex=".*",  # the guard admits only pages of this computer
                    allow_methods=["POST"],
                    allow_headers=["authorization", "content-type", "x-openai-agents-sdk"],
                    expose_headers=["Location", marks.HEADER],
                ),
            ],
            exception_handlers={
                HTTPException: _answer_http_error,
                wire.ClientMistake: _answer_mistake,
                Denied: answer_denied,
            },
            lifespan=self._lifespan,
        )

    @contextlib.asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncGenerator[None]:
        del app
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                loop = asyncio.get_running_loop()
                if self._models_at_start:
                    self._models.start(lambda path: loop.call_soon_threadsafe(self._take_model, tasks, path))
                if self._first_choice is not None:
                    await self._choice.choose(self._first_choice)
                yield
                for call in self._calls.values():
                    call.hang_up()
        finally:
            self._tasks = None
            await self._choice.aclose()
            await self._minds.aclose()
            await asyncio.to_thread(self._models.close)
            await asyncio.to_thread(self._files.shelf.close)
            if self._speech.files is not None:
                await asyncio.to_thread(self._speech.files.close)
            await self._model.aclose()
            await asyncio.to_thread(self._workers.close)

    async def use_model(self, path: Path, name: str) -> None:
        """Uses the language model in the file `path` from now on, in running talks too; `name` is its name for people.

        Loading takes seconds; the small mind answers meanwhile.
        """
        await self._model.run(path, name, self._tell_model_problem)

    def _model_speed(self) -> float | None:
        return None if self._model.model is None else self._model.model.tokens_per_s

    def _take_model(self, tasks: asyncio.TaskGroup, path: Path) -> None:
        if self._tasks is tasks and not self._files.on:
            tasks.create_task(self.use_model(path, self._models.status.name), name="language model: begin")

    def _tell_model_problem(self) -> None:
        if self._files.on:
            if self._model.problem and self._tasks is not None:
                taking = self._files.take_off(self._model.problem)
                self._tasks.create_task(taking, name="language model: back to Kai's own")
        elif self._model.is_too_slow:
            self._models.step_down(self._model.problem)
        elif self._model.problem:
            self._models.fail(self._model.problem)

    # Routes

    async def _create_call(self, request: Request) -> Response:
        key = self._admitted(request)
        offer, wanted = await self._read_offer(request)
        new = await self._open(wanted or self._keys.session_of(key), request.query_params.get("model"))
        if new.has_no_udp:
            offer = _CANDIDATE_PORT.sub(r"\g<1>9", offer)
        call = Call(new)
        if self._tasks is None:
            raise HTTPException(503, "The engine is closing.")
        self._calls[call.call_id] = call
        self._tasks.create_task(self._supervise(call, offer, new.thinker), name=f"call-{call.call_id}")
        try:
            async with asyncio.timeout(NEGOTIATE_S):
                answer = await call.answered
        except EngineError as exc:
            raise HTTPException(500, exc.message) from exc
        except TimeoutError as exc:
            call.hang_up()
            raise HTTPException(504, "The engine could not answer the offer in time.") from exc
        if new.has_no_udp:
            answer = _CANDIDATE_PORT.sub(r"\g<1>9", answer)
        headers = {"Location": f"/v1/realtime/calls/{call.call_id}", marks.HEADER: "1"}
        return Response(answer, status_code=201, media_type="application/sdp", headers=headers)

    async def _hang_up(self, request: Request) -> Response:
        self._admitted(request)
        call = self._calls.get(cast("str", request.path_params["call_id"]))
        if call is None:
            return refusal(404, "No session found for the provided call_id.", code="call_id_not_found")
        call.hang_up()
        return Response(status_code=200)

    async def _create_secret(self, request: Request) -> Response:
        self._admitted(request)
        body = await _json_object(request)
        wanted = None if body.get("session") is None else wire.decode_session(body["session"])
        seconds = 600
        match body.get("expires_after"):
            case {"seconds": int(given)} if given in SECRET_SECONDS:
                seconds = given
            case None:
                pass
            case _:
                raise wire.ClientMistake(
                    "Invalid value for 'expires_after': its seconds are between 10 and 7200.",
                    param="expires_after",
                )
        config = self._start_session(wanted, None)
        value, expires_at = self._keys.mint(seconds, wanted)
        return JSONResponse(
            {"value": value, "expires_at": expires_at, "session": wire.encode_session(config)}
        )

    async def _tell_status(self, request: Request) -> Response:
        self._admitted_app(request)
        return JSONResponse(
            {
                "problems": list(self._speech.problems),
                "parts": [asdict(part) for part in self._speech.parts],
                "voices": [
                    {
                        "id": choice.id,
                        "name": choice.name,
                        "sex": choice.sex,
                        "accent": choice.accent,
                        "is_installed": choice.id in self._speech.voice.installed,
                    }
                    for choice in CHOICES
                ],
                "voice_files": [] if self._speech.files is None else self._speech.files.rows(),
                "conversations": len(self._calls) + self._socket_count,
                "max_conversations": MAX_CONVERSATIONS,
                "model": self._models.status.to_json(),
                "chosen": self._choice.to_json(),
            }
        )

    async def _preview_voice(self, request: Request) -> Response:
        """Answer with a sentence of the voice, an id or ``emil:+2:-1``, as a WAV file; ``?speed=`` as in a session."""
        self._admitted_app(request)
        wish = cast("str", request.path_params["voice_id"])
        try:
            voice_id, _, _ = parse_voice(wish)
        except ValueError as exc:
            return refusal(400, str(exc), code="invalid_value", param="voice_id")
        if all(choice.id != voice_id for choice in CHOICES):
            return refusal(404, "There is no voice of that name.", code="voice_not_found")
        if voice_id not in self._speech.voice.installed:
            return refusal(
                409, "This voice is an extra. Fetch it first, in the sidebar.", code="voice_not_installed"
            )
        try:
            speed = float(request.query_params.get("speed", "1"))
        except ValueError:
            return refusal(400, "The speed is a number.", code="invalid_value", param="speed")
        sound = await self._workers.preview(partial(self._say_preview, wish, speed))
        return Response(pcm.to_wav(sound, SPEECH_HZ), media_type="audio/wav")

    async def _change_voice_file(self, request: Request) -> Response:
        """``fetch``, ``pause`` or ``delete`` a file of voices; ``/kai/status`` has its state."""
        self._admitted_app(request)
        file_id, wish = (cast("str", request.path_params[name]) for name in ("file_id", "wish"))
        if self._speech.files is None:
            return refusal(404, "No voices can be fetched here.", code="voice_not_found")
        try:
            await asyncio.to_thread(self._speech.files.change, file_id, wish)
        except WeightsError as error:
            return refusal(404, error.message, code=error.code)
        except OSError as error:
            words = f"The file cannot be removed ({error.strerror}). Look at the folder's permissions."
            return refusal(409, words, code="model_folder")
        return Response(status_code=204)

    def _say_preview(self, voice_id: str, speed: float) -> NDArray[np.int16]:
        clauses = self._speech.voice.stream(PREVIEW_WORDS, speed, voice_id)
        return np.concatenate([np.zeros(0, np.int16), *(clause.pcm for clause in clauses)])

    async def _put_mind(self, request: Request) -> Response:
        self._admitted_app(request)
        body = await _json_object(request, max_bytes=MAX_MIND_BYTES)
        await self._minds.put(cast("str", request.path_params["mind_id"]), body)
        return Response(status_code=204)

    async def _search_files(self, request: Request) -> Response:
        """Search a mind's files for ``{"question"}``, on behalf of a brain outside this engine."""
        self._admitted_app(request)
        body = await _json_object(request, max_bytes=MAX_MIND_BYTES)
        mind_id = cast("str", request.path_params["mind_id"])
        return JSONResponse({"passages": await self._minds.search(mind_id, body)})

    async def _set_replay(self, request: Request) -> Response:
        """Replay the recording in the body: the next sessions, whatever their model, are answered as its calls were."""
        self._admitted_app(request)
        data = await _body(request, max_bytes=MAX_SOUND_BYTES)
        self._recorded_calls = read_calls(_text(data, "recording"))
        return Response(status_code=204)

    async def _transcribe(self, request: Request) -> Response:
        """Transcribe a sound: 24 000 Hz mono int16, little-endian, at most `MAX_SOUND_BYTES`.

        It serves a brain outside this engine whose transcript lacks words that it spoke.
        """
        self._admitted_app(request)
        data = await _body(request, max_bytes=MAX_SOUND_BYTES)
        if len(data) % 2:
            return refusal(400, "The sound ends within a sample.", code="invalid_value", param="body")
        heard = await self._workers.preview(partial(self._hear_whole, pcm.from_bytes(data)))
        return JSONResponse({"text": heard})

    def _hear_whole(self, sound: NDArray[np.int16]) -> str:
        audio = pcm.to_float32(pcm.resampled(sound, SPEECH_HZ, HEARING_HZ))
        heard = self._speech.recogniser.transcribe(audio)
        return heard.text if heard.is_speech else ""

    async def _remove_mind(self, request: Request) -> Response:
        self._admitted_app(request)
        if not self._minds.remove(cast("str", request.path_params["mind_id"])):
            return refusal(404, "There is no mind of that name.", code="mind_not_found")
        return Response(status_code=204)

    async def _fetch_model(self, request: Request) -> Response:
        """Begin or stop the download of a language model (``?source=maker``: from its maker); answer with its status."""
        self._admitted_app(request)
        model_id = cast("str", request.path_params["model_id"])
        if request.method == "DELETE":
            is_known = self._models.cancel(model_id)
        else:
            from_maker = request.query_params.get("source") == "maker"
            is_known = self._models.fetch(model_id, from_maker=from_maker)
        if not is_known:
            return refusal(404, "There is no language model of that name.", code="model_not_found")
        return JSONResponse(self._models.status.to_json(), status_code=202)

    async def _connect(self, websocket: WebSocket) -> None:
        try:
            wanted = await self._admit_socket(websocket)
        except Denied as denied:
            await websocket.send_denial_response(denied.response)
            return
        except wire.ClientMistake as mistake:
            await websocket.send_denial_response(
                refusal(400, mistake.message, code=mistake.code, param=mistake.param)
            )
            return
        is_own = isinstance(wanted, NewSession)
        self._socket_count += is_own
        try:
            offered = websocket.scope.get("subprotocols", [])
            await websocket.accept(subprotocol="realtime" if "realtime" in offered else None)
            if "realtime=v1" in websocket.headers.get("openai-beta", ""):
                await websocket.close(4000, "beta_api_shape_disabled")
            elif isinstance(wanted, Call):
                await join_call(websocket, wanted)
            else:
                await converse(websocket, wanted)
        finally:
            self._socket_count -= is_own
            if isinstance(wanted, NewSession):
                await wanted.thinker.aclose()

    async def _admit_socket(self, websocket: WebSocket) -> Call | NewSession:
        """Return the call that a WebSocket joins, or the session that it opens. Raises `Denied` and `ClientMistake`."""
        key = key_of(websocket.headers)
        if not self._keys.admits(key):
            raise Denied(_refuse_key())
        call_id = websocket.query_params.get("call_id")
        if call_id is not None:
            if call_id in self._calls:
                return self._calls[call_id]
            message = "No session found for the provided call_id."
            raise Denied(refusal(404, message, code="call_id_not_found"))
        if websocket.query_params.get("intent", "conversation") != "conversation":
            raise wire.ClientMistake("This engine has 'realtime' sessions only.", param="intent")
        return await self._open(self._keys.session_of(key), websocket.query_params.get("model"))

    # Inside

    async def _open(self, wanted: SessionConfig | None, model: str | None) -> NewSession:
        """Return a session that may begin, changed as the model's script stages it. Raises `Denied` and `ClientMistake`."""
        config = self._start_session(wanted, model)
        refused = self._refuse_full()
        if refused is not None:
            raise Denied(refused)
        if self._recorded_calls:
            recorded, now = self._recorded_calls.popleft(), self._minds.clock_of("kai-local")
            return NewSession(self._speech, self._workers, config, recorded, now, self._longest_session_s)
        thinker = self._minds.thinker_of(str(config.model))
        staged = self._minds.next_connect(str(config.model))
        await asyncio.sleep(staged.wait_s)
        if staged.status:
            raise Denied(
                refusal(
                    staged.status, "Staged by a script.", code=staged.code, retry_after=staged.retry_after
                )
            )
        longest_s = staged.longest_s or self._longest_session_s
        config = replace(config, expires_at=int(time.time() + longest_s))
        now = self._minds.clock_of(str(config.model))
        return NewSession(
            self._speech, self._workers, config, thinker, now, longest_s, has_no_udp=staged.has_no_udp
        )

    async def _supervise(self, call: Call, offer: str, thinker: Thinker) -> None:
        try:
            await call.run(offer)
        except Exception:
            logger.exception("a call ended by a bug", extra={"call_id": call.call_id})
        finally:
            await thinker.aclose()
            del self._calls[call.call_id]
            if not call.answered.done():
                call.answered.set_exception(EngineError("The engine could not answer the offer."))

    def _admitted(self, request: Request) -> str:
        key = key_of(request.headers)
        if not self._keys.admits(key):
            raise Denied(_refuse_key())
        return key

    def _admitted_app(self, request: Request) -> None:
        if not self._keys.is_run_key(key_of(request.headers)):
            raise Denied(_refuse_key())

    async def _read_app_body(self, request: Request) -> wire.JsonObject:
        self._admitted_app(request)
        return await _json_object(request)

    def _refuse_full(self) -> Response | None:
        if len(self._calls) + self._socket_count < MAX_CONVERSATIONS:
            return None
        return refusal(
            429,
            f"This engine holds {MAX_CONVERSATIONS} conversations at a time, and all are taken. End one, "
            "then try again.",
            code="too_many_conversations",
        )

    def _start_session(self, wanted: SessionConfig | None, model: str | None) -> SessionConfig:
        expires_at = int(time.time() + self._longest_session_s)
        return session.started(wanted, model=model, session_id=new_id("sess"), expires_at=expires_at)

    async def _read_offer(self, request: Request) -> tuple[str, SessionConfig | None]:
        """Return the SDP offer, its line ends unchanged, and the session that was requested with it."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "application/sdp":
            return _text(await _body(request), "sdp"), None
        if kind != "multipart/form-data":
            raise wire.ClientMistake(
                "Unsupported content type. Send 'multipart/form-data' or 'application/sdp'.",
                code="unsupported_content_type",
            )
        try:
            async with request.form(max_files=4, max_fields=8, max_part_size=MAX_BODY_BYTES) as form:
                offer = await _part(form, "sdp")
                wanted = await _part(form, "session")
        except HTTPException as exc:
            raise wire.ClientMistake("The form could not be read.", code="invalid_form") from exc
        if offer is None:
            raise wire.ClientMistake(
                "Missing required parameter: 'sdp'.", code="missing_required_parameter", param="sdp"
            )
        return offer, None if wanted is None else wire.decode_session(wire.parse_object(wanted))


async def _part(form: FormData, name: str) -> str | None:
    """Return the text of a form part, with its line ends unchanged, whether it was sent with a file name or not."""
    part = form.get(name)
    return _text(await part.read(), name) if isinstance(part, UploadFile) else part


def _text(data: bytes, param: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as exc:
        raise wire.ClientMistake(f"'{param}' is not UTF-8 text.", param=param) from exc


async def _body(request: Request, *, max_bytes: int = MAX_BODY_BYTES) -> bytes:
    """Return the request's body. Raises `HTTPException` (413) when it is larger than `max_bytes`."""
    data = bytearray()
    async for part in request.stream():
        data += part
        if len(data) > max_bytes:
            raise HTTPException(413, f"The request is larger than {max_bytes >> 20} MiB.")
    return bytes(data)


async def _json_object(request: Request, *, max_bytes: int = MAX_BODY_BYTES) -> wire.JsonObject:
    data = await _body(request, max_bytes=max_bytes)
    return wire.parse_object(data) if data else {}


def _refuse_key() -> Response:
    return refusal(401, "Incorrect API key provided.", code="invalid_api_key")


def _answer_mistake(request: Request, exc: Exception) -> Response:
    del request
    assert isinstance(exc, wire.ClientMistake)
    return refusal(400, exc.message, code=exc.code, param=exc.param)


def _answer_http_error(request: Request, exc: Exception) -> Response:
    del request
    assert isinstance(exc, HTTPException)
    return refusal(exc.status_code, exc.detail, code=None)
