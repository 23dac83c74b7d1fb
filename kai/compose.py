"""The composition root: it builds an `App` from the settings. Only this module knows which adapter serves which port."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import platformdirs
from pydantic import SecretStr

from kai.adapters.browser import PageLink
from kai.adapters.engine_client import EngineAddress
from kai.adapters.engine_files import EngineFiles
from kai.adapters.engine_hearing import EngineEars
from kai.adapters.engine_minds import EngineMind, give_mind, read_documents
from kai.adapters.engine_process import EngineProcess
from kai.adapters.engine_status import read_preview
from kai.adapters.liveavatar import face as liveavatar
from kai.adapters.liveavatar.face import AvatarChoice, LiveAvatarFace
from kai.adapters.liveavatar.gallery import Gallery
from kai.adapters.liveavatar.rest import LiveAvatarApi, ask_account, filmed_first
from kai.adapters.liveavatar.room_link import RoomLink
from kai.adapters.liveavatar.spare_room import SpareRoom
from kai.adapters.local_face import LocalFace, SpareFace
from kai.adapters.openai_realtime import Endpoint, OpenAIRealtimeBrain, OpenAISocketBrain
from kai.adapters.openai_realtime.account import ask_of_model
from kai.adapters.openai_realtime.kept_turn import KeptTurn
from kai.adapters.other_minds import MindDesk, OtherMind
from kai.adapters.voice_only import VoiceOnly
from kai.adapters.voice_previews import VoicePreviews, record_turn
from kai.app import App, Offer, Services
from kai.checks import computer, services
from kai.checks.run import Check, Finding, Level
from kai.compat import http
from kai.compat.files import cache_root
from kai.compat.logs import print_log
from kai.compat.rtc import host_addresses
from kai.core.capabilities import speaks_live
from kai.core.config import AvatarConfig, BrainConfig, FaceSize
from kai.core.policy.face_facts import plan_words
from kai.core.state import Caps, Face, Look
from kai.engine.models.catalogue import model_of
from kai.engine.models.places import check_file, models_folder
from kai.engine.others.servers import PORTS, find_servers
from kai.engine.speech.weights import ALL_WEIGHTS, load_weights
from kai.errors import ConfigError, KaiError
from kai.lending import brain_calls, calls
from kai.lending.avatars import AvatarDesk
from kai.live.session import FirstSession, avatar_account, brain_endpoint, paid_sessions
from kai.ports import VoiceBrain
from kai.records.chosen_mind import FILE_NAME, ChosenMind
from kai.records.files import data_folder
from kai.records.memory import Memory, owner_of
from kai.records.paid_sessions import PaidSessions
from kai.records.preferences import JsonFile
from kai.records.turns import Follower
from kai.runtime.hub import SessionHub
from kai.runtime.session import Session
from kai.runtime.tools import SEARCH_FILES, first_tools, search_tool
from kai.settings import Settings

log = logging.getLogger(__name__)

LOCAL_HOSTS = ("127.0.0.1",)
LOCAL_MODEL = "kai-local"
AVATARS_S = 6.0
"""The avatar check reads every page of the account's lists, and must give up before the time limit of all checks."""
UDP_BLOCKED_S = 600.0
"""How long WebRTC is not tried again after a network blocked UDP. It is limited because computers change networks."""


@dataclass(frozen=True, slots=True)
class _CloudFaces:
    """Makes the cloud faces of one account."""

    api: LiveAvatarApi
    choice: AvatarChoice
    records: PaidSessions
    spare_room: SpareRoom

    def make(self) -> LiveAvatarFace:
        """Return a new face, not opened yet."""
        return LiveAvatarFace(
            self.api, self.choice, self.records, lambda face: RoomLink(face, self.spare_room.take)
        )


class SharedServices:
    """The services that all talks of this app share, and the factories of their legs. After ``open``, Kai's loop only."""

    def __init__(self, settings: Settings, memory: Memory) -> None:
        self._settings = settings
        self._memory = memory
        self._engine = EngineProcess(self._on_progress, _engine_environment(settings))
        self._is_engine_wanted = False
        self._warming: asyncio.Task[None] | None = None
        self._progress = ""
        self._files = EngineFiles(
            lambda: self._start_engine(for_files=True).wait_up(), lambda: _documents_of(settings, memory)
        )
        self.minds = _mind_desk(
            settings, memory, lambda: self._start_engine(for_files=True).wait_up(), self._engine.wait_gone
        )
        self._tools = first_tools(search_tool(self._files.search))
        self._udp_blocked_until_s = 0.0
        self.offer = Offer(
            has_cloud_brain=settings.has_cloud_brain,
            has_cloud_face=settings.has_cloud_face,
            cloud_model=settings.openai_model,
            tools=tuple(name for name in self._tools.names() if name != SEARCH_FILES),
        )
        self._records = paid_sessions(settings)
        self._spare = SpareFace(
            lambda: LocalFace(has_test_marks=settings.test_marks, stands_by=self._prefers_cloud_face)
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: list[asyncio.Task[Any]] = []
        self.previews = VoicePreviews(cache_root() / "voices", self._record_voice, self.offer.model)
        self.calls = (
            calls.CallDesk(self._open_call, self._hang_up, self._records)
            if settings.has_cloud_brain
            else calls.no_calls()
        )
        self._cloud: _CloudFaces | None = None
        self.desk: AvatarDesk | None = None
        self.gallery: Gallery | None = None
        if (account := avatar_account(settings)) is not None:
            choice, limit_s = self._avatar_choice(), settings.liveavatar_minutes * 60
            self._cloud = _CloudFaces(LiveAvatarApi(account), choice, self._records, SpareRoom())
            self.desk = AvatarDesk(self._cloud.api, choice, self._records, limit_s=limit_s)
            defaults = AvatarConfig(choice.avatar_id, choice.quality, choice.encoding, choice.is_sandbox)
            self.gallery = Gallery(account, cache_root() / "avatar-previews", defaults=defaults)

    def open(self) -> None:
        """Start what talks will need before the first visitor arrives."""
        self._loop = asyncio.get_running_loop()
        if self._cloud is not None and self.desk is not None:
            self.desk.open()
            self._reap(liveavatar.KIND, self._cloud.api.stop)
        if self._settings.has_cloud_brain:
            self._reap(calls.KIND, self._hang_up)
        else:
            self._start_engine()

    def _start_engine(self, *, for_files: bool = False) -> EngineProcess:
        """Start the local engine if it is not started yet, and return it.

        With a cloud brain this happens only when somebody first needs the engine. If it is only needed for searching
        files, no talk waits for it."""
        self._is_engine_wanted = self._is_engine_wanted or not for_files
        if not self._engine.is_started:
            self._engine.start()
            keeping = self.minds.keep()
            self._tasks.append(asyncio.create_task(keeping, name="app: tell the engine of the chosen mind"))
        return self._engine

    def _warm_files(self) -> None:
        """Read the person's files in the background, before the first question about them."""
        if self._warming is None or self._warming.done():
            self._warming = asyncio.create_task(self._files.warm(), name="app: read the files")

    async def aclose(self) -> None:
        tasks = [*self._tasks, *([] if self._warming is None else [self._warming])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._spare.aclose()
        await self.previews.aclose()
        await self._engine.aclose()
        if self.desk is not None:
            await self.desk.aclose()
        if self.gallery is not None:
            self.gallery.aclose()
        if self._cloud is not None:
            await self._cloud.spare_room.aclose()
            await self._cloud.api.aclose()
        await asyncio.to_thread(self._memory.close)

    def _prefers_cloud_face(self, look: Look) -> bool:
        return self.offer.has_cloud_face and look.face != Face.LOCAL

    def services(self) -> Services:
        """Return the current state of the shared services. Any thread."""
        engine = self._engine
        problem = engine.fatal.message if engine.fatal is not None and self._is_engine_wanted else ""
        is_ready = (not self._is_engine_wanted or engine.is_up) and not problem
        return Services(is_ready, self._progress, problem, engine.report)

    async def change_model(self, model_id: str, wish: str) -> None:
        """Make the local engine download its language model, or stop the download. Raises ``KaiError``."""
        await self._start_engine().change_model(model_id, wish)

    async def change_voice(self, file_id: str, wish: str) -> None:
        """Make the local engine ``fetch``, ``pause`` or ``delete`` a file of voices. Raises ``KaiError``."""
        await self._start_engine().change_voice(file_id, wish)

    async def preview_voice(self, voice_id: str, speed: float) -> bytes:
        """Speak a sentence with a voice of the local engine and return it as a WAV file. Raises ``KaiError``."""
        return await read_preview(await self._start_engine().wait_up(), voice_id, speed)

    def make_session(self, browser_id: str) -> tuple[Session, PageLink]:
        """Make a talk for that browser, with new legs. Any thread."""
        if self._loop is not None:
            last = self._memory.preferences.value.last_look()
            self._loop.call_soon_threadsafe(self._spare.warm, last or Look())
            if self._cloud is not None:
                self._loop.call_soon_threadsafe(self._cloud.spare_room.warm)
        page = PageLink()

        kept_turn = KeptTurn()

        async def make_brain(look: Look) -> VoiceBrain:
            return await self._make_brain(browser_id, look, session.snapshot().time_zone, kept_turn)

        follower = Follower(owner_of(browser_id), page.media, page.voiced_at_s)
        session = Session(
            make_brain=make_brain,
            make_face=self._spare.take,
            make_cloud=None if self._cloud is None else self._cloud.make,
            cloud_limit_s=self._settings.liveavatar_minutes * 60,
            caps=Caps(self._settings.budget_talk_usd, self._settings.budget_day_usd),
            has_cloud_brain=self.offer.has_cloud_brain,
            make_voice=VoiceOnly,
            browser=page,
            tools=self._tools,
            recorder=self._memory.make_recorder(follower),
        )
        self._memory.follow(session, follower)
        return session, page

    async def _record_voice(self, look: Look) -> bytes:
        # A WebSocket suffices for a short answer in one direction, and works behind every firewall.
        return await record_turn(OpenAISocketBrain(self._cloud_brain("")), look)

    async def _open_call(self, browser_id: str, look: Look, offer: str) -> tuple[str, str]:
        return await brain_calls.open_call(self._cloud_brain(browser_id), look, offer)

    async def _hang_up(self, call_id: str) -> None:
        await brain_calls.hang_up(self._cloud_brain(""), call_id)

    def _reap(self, kind: str, stop: Callable[[str], Awaitable[None]]) -> None:
        work = self._records.reap(kind, stop)
        self._tasks.append(asyncio.create_task(work, name=f"app: reap sessions of {kind}"))

    def _cloud_brain(self, browser_id: str, *, has_files: bool = False) -> Endpoint:
        settings = self._settings
        key = "" if settings.openai_api_key is None else settings.openai_api_key.get_secret_value()
        return Endpoint(
            api_key=key,
            model=settings.openai_model,
            base_url=settings.openai_base_url,
            is_billed=True,
            tools=tuple(t for t in self._tools.schemas() if has_files or t["name"] != SEARCH_FILES),
            needed_tools=(SEARCH_FILES,),
            safety_id=safety_id(browser_id),
            on_udp_blocked=self._on_udp_blocked,
            hear=EngineEars(lambda: self._start_engine(for_files=True).wait_up()).transcribe,
        )

    async def _make_brain(
        self, browser_id: str, look: Look, time_zone: str, kept_turn: KeptTurn
    ) -> VoiceBrain:
        if not self.offer.is_brain_local(look):
            has_files = await self._files.has_any()
            if has_files:
                self._warm_files()
            if not look.stays_in_cloud:
                self._start_engine(for_files=True)  # it stands by
            endpoint = replace(self._cloud_brain(browser_id, has_files=has_files), kept_turn=kept_turn)
            is_socket = self._settings.openai_transport == "websocket"
            if is_socket or time.monotonic() < self._udp_blocked_until_s:
                return OpenAISocketBrain(endpoint)
            return OpenAIRealtimeBrain(endpoint)
        engine = self._start_engine()
        address = await engine.wait_up()
        documents = await asyncio.to_thread(_documents_of, self._settings, self._memory)
        mind = EngineMind(documents, time_zone)
        model = LOCAL_MODEL if mind == EngineMind() else await give_mind(address, mind)
        return OpenAIRealtimeBrain(
            Endpoint(
                api_key=address.key,
                model=model,
                base_url=address.realtime_url,
                host_addresses=LOCAL_HOSTS,
                wait_lost=engine.wait_gone,
                stand_ins=engine.report.stand_ins,
            )
        )

    def _avatar_choice(self) -> AvatarChoice:
        settings = self._settings
        return AvatarChoice(
            avatar_id=settings.liveavatar_avatar_id,
            quality=settings.liveavatar_quality,
            encoding=settings.liveavatar_encoding,
            is_sandbox=settings.liveavatar_sandbox,
            has_test_marks=settings.test_marks,
            first_chunk_ms=settings.liveavatar_first_chunk_ms,
        )

    def _on_udp_blocked(self) -> None:
        self._udp_blocked_until_s = time.monotonic() + UDP_BLOCKED_S

    def _on_progress(self, line: str) -> None:
        self._progress = line


def _engine_environment(settings: Settings) -> dict[str, str]:
    """Return the engine's variables: settings that may be in ``.env``, and so not in the environment that it inherits."""
    chosen = {"KAI_MIND": settings.mind, "KAI_DATA_DIR": settings.data_dir or ""}
    return {name: value for name, value in chosen.items() if value}


def _mind_desk(
    settings: Settings,
    memory: Memory,
    wait_up: Callable[[], Awaitable[EngineAddress]],
    wait_gone: Callable[[], Awaitable[object]],
) -> MindDesk:
    """Make the desk of other minds. The choice that a person made in an earlier run takes precedence over the settings."""
    own = OtherMind(
        settings.mind_base_url or "", settings.mind_model or "", settings.mind_api_key or SecretStr("")
    )
    file = JsonFile(memory.folder / FILE_NAME, ChosenMind(**asdict(own)))

    def keep(mind: OtherMind) -> None:
        try:
            file.write(ChosenMind(**asdict(mind)))
        except KaiError:
            log.warning("the chosen mind cannot be kept")  # it answers nevertheless, until Kai ends

    return MindDesk(wait_up, wait_gone, OtherMind(**dict(file.value)), keep, own, settings.mind_ports)


def safety_id(browser_id: str) -> str:
    """Return a stable, anonymous id of a browser for the provider's abuse detection."""
    return hashlib.sha256(f"kai:{browser_id}".encode()).hexdigest()[:32]


def _documents_of(settings: Settings, memory: Memory) -> tuple[tuple[str, str], ...]:
    """Read the files of the configured folder and those that were uploaded. Blocks."""
    both = (settings.documents, memory.documents.folder)
    folders = [folder for folder in both if folder is not None and folder.is_dir()]
    return tuple(document for folder in folders for document in read_documents(folder))


def open_memory(settings: Settings) -> Memory:
    """Open the past talks, preferences and presets of this user. Raises ``ConfigError`` if the configured folder is unusable.

    If the user has no writable home folder, nothing is kept and ``Memory.problem`` says so; talks work without it.
    """
    advice = "Set KAI_DATA_DIR to a folder that you can write to."
    try:
        folder = data_folder(settings.data_dir)
    except (OSError, RuntimeError) as exc:
        if settings.data_dir is not None:
            raise ConfigError(f"Kai's data folder cannot be made. {advice}") from exc
        memory = Memory(platformdirs.user_data_path("kai", appauthor=False), may_keep_talks=settings.history)
        memory.problem = f"Nothing is kept: your home folder cannot be written to. {advice}"
        return memory
    return Memory(folder, may_keep_talks=settings.history)


def build_app(settings: Settings) -> App:
    """Build the app from these settings. Its hub is not started yet; closing the hub closes everything else."""
    print_log(settings.log_level)
    memory = open_memory(settings)
    shared = SharedServices(settings, memory)
    first_session = FirstSession(settings)

    async def aclose() -> None:
        await asyncio.to_thread(first_session.close)
        await shared.aclose()

    return App(
        hub=SessionHub(shared.make_session, shared.open, aclose, shared.calls.close_of),
        memory=memory,
        services=shared.services,
        offer=shared.offer,
        minds=shared.minds,
        preview_voice=shared.preview_voice,
        change_voice=shared.change_voice,
        change_model_file=shared.change_model,
        calls=shared.calls,
        desk=shared.desk,
        gallery=shared.gallery,
        previews=shared.previews,
        checks=build_checks(settings, memory, shared.services),
        first_session=first_session,
        first_look=Look(
            brain=BrainConfig(greeting="" if settings.greeting == "none" else settings.greeting),
            face_size=FaceSize(settings.face_quality),
        ),
        ice_servers=settings.ice_servers,
    )


def build_checks(
    settings: Settings, memory: Memory, read_services: Callable[[], Services]
) -> dict[str, Check]:
    """Make the checks to run before a talk, the most important first. Each may be called from any thread."""

    def engine() -> services.EngineStatus:
        now = read_services()
        stand_ins = tuple(stand_in.problem for stand_in in now.engine.stand_ins)
        return services.EngineStatus(
            not settings.has_cloud_brain, now.is_ready, now.progress, now.problem, stand_ins
        )

    def load_all() -> int:
        for file in ALL_WEIGHTS:
            load_weights(file)
        return len(ALL_WEIGHTS)

    def model() -> services.ModelFacts:
        now = read_services().engine.model

        def check_whole() -> None:
            known = model_of(now.id)
            if known is not None:
                check_file(Path(now.path), known, models_folder(settings.data_dir))

        return services.ModelFacts(
            now.state, now.name, now.bytes, now.done_bytes, now.problem, now.is_own, check_whole
        )

    def orphans() -> int:
        return sum(record.is_orphan for record in paid_sessions(settings).all())

    return {
        "engine": lambda: services.check_engine(engine),
        "weights": lambda: services.check_weights(load_all, engine),
        "model": lambda: services.check_model(model),
        "network": lambda: computer.check_network(
            host_addresses, is_needed=settings.has_cloud_brain or settings.has_cloud_face
        ),
        "udp": lambda: computer.check_udp(host_addresses),
        "relays": lambda: computer.check_relays(_relay_urls(settings)),
        "processor": computer.check_processor,
        "disk": lambda: computer.check_disk(memory.folder),
        "memory": computer.check_memory,
        "openai": lambda: _check_openai(settings),
        "servers": lambda: services.check_servers(lambda: _server_names(settings)),
        "mind": lambda: _check_mind(settings),
        "liveavatar": lambda: _check_liveavatar(settings),
        "avatar": lambda: _check_avatar(settings),
        "orphans": lambda: services.check_orphans(orphans),
    }


def _relay_urls(settings: Settings) -> list[str]:
    every = [server.urls for server in settings.ice_servers]
    return [url for urls in every for url in ((urls,) if isinstance(urls, str) else urls)]


def _check_openai(settings: Settings) -> Finding:
    endpoint = brain_endpoint(settings, settings.openai_model)
    if endpoint is None:
        return services.unused("openai")
    if speaks_live(settings.openai_model):
        return Finding("openai", Level.RED, "live")

    def ask() -> dict[str, str]:
        return services.read_shutdown(ask_of_model(endpoint, endpoint.model, within_s=services.CALL_S))

    found = services.check_provider("openai", endpoint.base_url or http.OPENAI_URL, ask)
    return services.with_shutdown(found, datetime.now(UTC).date())


def _server_names(settings: Settings) -> list[str]:
    """Return the model servers of this computer that respond. Blocks; it runs its own loop, as a check's thread has none."""
    further = dict.fromkeys(settings.mind_ports, "")
    return [server.name for server in asyncio.run(find_servers({**further, **PORTS}))]


def _check_mind(settings: Settings) -> Finding:
    if settings.mind_base_url is None or settings.has_cloud_brain:
        return services.unused("mind")
    key = "" if settings.mind_api_key is None else settings.mind_api_key.get_secret_value()
    endpoint = Endpoint(key, "", settings.mind_base_url)

    def ask() -> dict[str, str]:
        ask_of_model(endpoint, "", within_s=services.CALL_S)
        return {}

    return services.check_provider("mind", settings.mind_base_url, ask)


def _check_liveavatar(settings: Settings) -> Finding:
    if (account := avatar_account(settings)) is None:
        return services.unused("liveavatar")

    def ask() -> dict[str, str]:
        left = ask_account(account, LiveAvatarApi.credits_left, within_s=services.CALL_S)
        return {"credits": f"{float(left):g}"}

    found = services.check_provider("liveavatar", account.base_url, ask)
    return services.with_credits(found, 0.0 if settings.liveavatar_sandbox else settings.liveavatar_minutes)


def _check_avatar(settings: Settings) -> Finding:
    account = avatar_account(settings)
    if account is None or settings.liveavatar_sandbox:
        return services.unused("avatar")
    until_s = time.monotonic() + AVATARS_S

    async def all_avatars(api: LiveAvatarApi) -> list[tuple[str, str, bool]]:
        found = await asyncio.gather(api.own_avatars(), api.public_avatars())
        ordered = (avatar for avatars in found for avatar in filmed_first(avatars))
        return [(avatar.id, avatar.name, avatar.is_usable) for avatar in ordered]

    def plan_of(avatar_id: str) -> str:
        left_s = max(0.5, until_s - time.monotonic())
        longest_s = ask_account(account, lambda api: api.plan_length_s(avatar_id), within_s=left_s)
        return plan_words(longest_s) if longest_s else ""

    return services.check_avatar(
        lambda: ask_account(account, all_avatars, within_s=AVATARS_S), settings.liveavatar_avatar_id, plan_of
    )
