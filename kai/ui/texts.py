"""Every word that a person reads on the page, in one place. Short, plain, friendly: what happened, then what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta, tzinfo
from typing import Final

from kai.records.local_time import local_time
from kai.ui.mind_texts import CHECK_SERVERS

APP_NAME: Final = "Kai"
TALK_PAGE: Final = "Talk"
HELP_PAGE: Final = "Check and help"

# ------------------------------------------------------------------ landing, end
START: Final = "Start chat with Kai"
LANDING_TITLE: Final = "Talk with Kai"
LANDING_LEAD: Final = "Say something, and Kai answers with voice and face."
LANDING_FACTS: Final = (
    "Runs on this computer",
    "No account",
    "Your browser will ask for the microphone",
)
LANDING_FACTS_CLOUD: Final = (
    "What you say goes to the provider whose key you set",
    "Your browser will ask for the microphone",
)
AI_LINE: Final = "Kai is an AI. It can be wrong."
ENDED_TITLE: Final = "The talk has ended"
ENDED_LASTED: Final = "You talked for {duration}."
START_AGAIN: Final = "Start again"
READ_AGAIN: Final = "Read the conversation"
NOTHING_SAID: Final = "Nothing was said."
YOU: Final = "You"
KAI: Final = "Kai"
NOTICE: Final = "Note"
ROLE_NAMES: Final = {"user": YOU, "assistant": KAI, "notice": NOTICE}
BACK_TO_TALK: Final = "Back to the talk"
NOT_STARTED: Final = "Kai is still starting. Wait a moment, then reload this page."
NO_COOKIES: Final = (
    "This page cannot keep its cookie, so Kai cannot recognise you. "
    "Allow cookies for this address, then reload."
)

# ------------------------------------------------------------------ state of Kai
WAKING: Final = "Waking Kai"
OPENING_MICROPHONE: Final = "Opening the microphone"
CONNECTING_PICTURE: Final = "Connecting video and sound"
READY: Final = "Ready"
LISTENING: Final = "Listening"
THINKING: Final = "Thinking"
SPEAKING: Final = "Speaking"
MUTED: Final = "Muted: Kai cannot hear you"
SILENCED: Final = "Muted by your system"
TYPING_ONLY: Final = "Type to Kai"
MICROPHONE_IS_BLOCKED: Final = "Microphone blocked"
MICROPHONE_IS_MISSING: Final = "No microphone"
PAGE_IS_DEAF: Final = "Kai cannot hear this page"
RECONNECTING: Final = "Reconnecting"
OFF: Final = "Kai is off"
ENDED: Final = "Ended"

# ------------------------------------------------------------------ legs
LEG_LABELS: Final = {"brain": "Brain", "face": "Face", "browser": "Connection"}
LEG_WORDS: Final = {
    "disconnected": "off",
    "connecting": "connecting",
    "connected": "connected",
    "reconnecting": "reconnecting",
    "failed": "not available",
}
MICROPHONE_LABEL: Final = "Microphone"
MICROPHONE_WORDS: Final = {
    "unknown": "waiting for permission",
    "open": "open",
    "refused": "blocked",
    "missing": "not found",
    "silenced": "muted by the system",
    "muted": "muted",
}
OWN_ENGINE: Final = "this computer"
TRANSPORTS: Final = {"webrtc": "WebRTC", "websocket": "WebSocket"}
FACE_CLOUD: Final = "LiveAvatar"
FACE_OWN: Final = "{name}, drawn on this computer"
FACE_STANDING_IN: Final = "standing in"
FACE_STANDING_IN_WHY: Final = "The avatar is not available now, so the built-in face stands in"
FACE_RECALL: Final = "Bring the avatar back"
NETWORK_WORDS: Final = {"good": "good", "weak": "weak", "poor": "poor"}
NETWORK_ADVICE_HERE: Final = "This computer is busy. Close what you don't need, so that Kai runs smoothly."
NETWORK_ADVICE: Final = {
    "lost": "{lost} % of the packets are lost. Move closer to the Wi-Fi, or use a cable.",
    "round_trip_ms": "The round trip to Kai takes {ms} ms. Turn off your VPN, or use another network.",
    "jitter_ms": "Sound arrives unevenly. Stop downloads and other calls, or use a cable.",
}
TIME_LEFT: Final = "{time} left"

# ------------------------------------------------------------------ controls
HOLD_TO_TALK: Final = "Hold to talk"
LET_GO: Final = "Let go to send"
MUTE: Final = "Mute"
UNMUTE: Final = "Unmute"
INTERRUPT: Final = "Interrupt"
STOP: Final = "Stop"
CLEAR: Final = "Clear chat"
SEND: Final = "Send"
TYPE_HERE: Final = "Type to Kai. Enter sends."
EMPTY_LINE: Final = "Type a few words first."
LINE_TOO_LONG: Final = "That is longer than {limit} characters. Please shorten it."
CHOOSE_MICROPHONE: Final = "Microphone"
CHOOSE_LOUDSPEAKER: Final = "Loudspeaker"
DEFAULT_DEVICE: Final = "System default"
NEWEST: Final = "Newest line"
PRESENT: Final = "Present"
PRESENTING: Final = "Presenter mode. Escape leaves it."
RECORD: Final = "Record"
RECORDING: Final = "Recording"
RECORDING_OVER: Final = "The recording has ended."
KEYS: Final = "Keys"
KEYS_TITLE: Final = "A key for every control"
CLOSE: Final = "Close"
KEY_LIST: Final = (
    ("Space", "hold to talk, where push to talk is on"),
    ("M", "mute or unmute"),
    ("I", "interrupt Kai"),
    ("E", "end the talk, pressed twice"),
    ("T", "type to Kai"),
    ("L", "clear the chat, pressed twice"),
    ("C", "close the card"),
    ("R", "start or stop recording"),
    ("P", "enter or leave presenter mode"),
    ("Esc", "leave presenter mode"),
    ("?", "this list"),
)

NOT_READY_YET: Final = "Kai is not ready yet"
NOTHING_TO_INTERRUPT: Final = "Kai is not speaking"
NO_MICROPHONE_TO_MUTE: Final = "No microphone is open"
TALK_IS_OVER: Final = "The talk is over"
NOTHING_TO_CLEAR: Final = "The chat is empty"

PRESS_AGAIN: Final = {"e": "Press E again to end", "l": "Press L again to clear"}
CAPTION_HINT_PRESENTING: Final = "Say hello."
CAPTION_HINT: Final = "Say hello, or type below."
CAPTION_HINT_HOLD: Final = "Hold the space bar or the button while you speak."
CAPTION_HINT_TYPE: Final = "Type below, and Kai answers."
INTERRUPTED: Final = "interrupted"
CHAT_LABEL: Final = "Conversation"
STARTERS: Final = "To begin with"
STARTERS_MODEL: Final = ("What can you do?", "Why is the sky blue?", "Tell me a story about a lighthouse.")
STARTERS_SMALL_MIND: Final = ("What can you do?", "What time is it in Tokyo?", "What is 18 times 7?")

# ------------------------------------------------------------------ problems
TRY_AGAIN: Final = "Try again"
DETAILS: Final = "Details"
CHANGE_WAITING: Final = "This needs a quick reconnect in the next pause. Your talk continues."
CHANGE_NOW: Final = "Reconnect"
CHANGE_LATER: Final = "Later"
CHANGING: Final = "Reconnecting in the next pause."
CARD_CLOSE: Final = "Close"
DISMISS: Final = "Dismiss"
MICROPHONE_REFUSED: Final = (
    "The microphone is blocked. Allow it in the address bar, then try again, or type below."
)
MICROPHONE_MISSING: Final = "No microphone was found. Plug one in so that Kai hears you, or type below."
MICROPHONE_SILENCED: Final = (
    "Your system has muted the microphone. Unmute it there so that Kai hears you again, or type below."
)
MICROPHONE_LOST: Final = "The microphone was disconnected. Opening another one."
MICROPHONE_TAKEN: Final = "The microphone was disconnected. Kai now hears you through “{name}”."
MICROPHONE_BACK: Final = "Kai hears you again, through “{name}”."
MICROPHONE_NOW: Final = "Kai now hears you through “{name}”."
LOUDSPEAKER_LOST: Final = (
    "The loudspeaker was disconnected. Until it is back, Kai speaks through the one that your system uses."
)
LOUDSPEAKER_MISSING: Final = "No loudspeaker was found. Plug one in, or read the answers below."
LOUDSPEAKER_BACK: Final = "Kai speaks through “{name}” again."
LOUDSPEAKER_NOW: Final = "Kai now speaks through “{name}”."
NO_NETWORK: Final = (
    "Turn on Wi-Fi; no internet is needed. Until then you can type, and hear the answers on this page."
)
PAGE_LOST: Final = "Connection lost. Trying again."
SOUND_BLOCKED: Final = "Your browser is holding back the sound. Press here to hear Kai."

# ------------------------------------------------------------------ sidebar
SIDEBAR_WHO: Final = "Who speaks"
SIDEBAR_HOW: Final = "How"
SIDEBAR_WHAT: Final = "What"
SIDEBAR_WHEN: Final = "When"
SIDEBAR_WHERE: Final = "Where it runs"
SIDEBAR_PRESETS: Final = "Presets"
PRESET_UNNAMED: Final = "My settings"
PRESET_EXPORT: Final = "Export as a file"
PRESET_IMPORT: Final = "Import a file"
TAG_NOW: Final = "now"
TAG_NEXT_TURN: Final = "next turn"
TAG_RESTART: Final = "reconnect"
TAG_WORDS: Final = {
    TAG_NOW: "takes effect now",
    TAG_NEXT_TURN: "takes effect with the next turn",
    TAG_RESTART: "needs a quick reconnect, which is offered during the talk",
}
CHARACTER_HELP_STANDBY: Final = "Stands by, and takes over if the avatar is lost."
AVATAR_CHOOSE: Final = "Choose an avatar"
AVATAR_HELP: Final = "From your account or the public list."
AVATAR_LOADING: Final = "Asking LiveAvatar for its avatars."
AVATAR_NONE: Final = "LiveAvatar has no avatar that can be used now."
AVATAR_SEARCH: Final = "Search by name"
AVATAR_NOT_FOUND: Final = "No avatar has that name."
AVATAR_OWN: Final = "yours"
AVATAR_MORE: Final = "{count} more. Type a part of the name to find them."
SETTING_MISSING: Final = "{brain} has no such setting."
CHARACTER_NAMES: Final = {
    "kai": "Kai",
    "mara": "Mara",
    "ade": "Ade",
    "ines": "Ines",
    "emil": "Emil",
    "vera": "Vera",
    "jun": "Jun",
}
STYLE: Final = "Style"
STYLE_COLOURS: Final = {
    "skin": "Skin",
    "lip": "Lips",
    "hair": "Hair",
    "brow": "Brows",
    "iris": "Eyes",
    "cloth": "Clothes",
    "accent": "Accent",
    "background": "Background",
}
STYLE_HAIR: Final = "Haircut"
HAIRSTYLE_NAMES: Final = {
    "quiff": "Quiff",
    "swept": "Swept back",
    "bob": "Bob",
    "long": "Long",
    "buzz": "Cropped",
}
STYLE_VOICE_HIGHER: Final = "Deeper, higher voice"
STYLE_VOICE_LIVELIER: Final = "Calmer, livelier voice"
STYLE_VOICE_FIXED: Final = "The voice that you keep cannot be adjusted. Choose a character's voice."
STYLE_RESET: Final = "Reset"
VOICE_LISTEN: Final = "Listen"
VOICE_LISTEN_KEPT: Final = "Already recorded, so it costs nothing."
VOICE_LISTEN_COSTS: Final = "Records one sentence, once: about {cost}."
VOICE_LISTEN_COSTS_SOME: Final = "Records one sentence, once. Its price is not known."
VOICE_TOO_SLOW: Final = "The voice did not answer in time. Try again."
VOICE_RECORDING: Final = "Recording a sentence"
VOICE_NAMES_LOCAL: Final = {
    "kai": "Kai, American man",
    "mara": "Mara, American woman",
    "ade": "Ade, American man",
    "ines": "Ines, American woman",
    "emil": "Emil, American man",
    "vera": "Vera, American woman",
    "jun": "Jun, American man",
}
VOICE_KEEP: Final = "Keep this voice"
VOICE_KEEP_HELP: Final = "It stays when you choose another face."
VOICE_COMES_HELP: Final = "The voice comes with the face."
LISTEN_TO: Final = "Listen to {voice}"
MORE_VOICES_TITLE: Final = "More voices"
MORE_VOICES: Final = "{voices} are an extra, 63 MB. Run this in Kai's folder, then start Kai again:"
INSTRUCTIONS_HELP_LOCAL: Final = (
    "A larger mind follows this; the small one here takes names, brevity and plain facts from it ('Breakfast is from "
    "seven to ten'), and speaks English only."
)
DOCUMENTS: Final = "Your files"
DOCUMENTS_HELP: Final = (
    "Text and Markdown; Kai answers from them and names the file. They stay on this computer; OpenAI, where it answers, gets "
    "only the passages that it asks for."
)
DOCUMENT_REMOVE: Final = "Remove {name}"
MORE: Final = "More"
VAD_NUMBERS: Final = "Pause settings"
HEARING: Final = "Hearing"
RUNS_HERE: Final = "Kai thinks and speaks on this computer. Set OPENAI_API_KEY in .env to use OpenAI instead."
RUNS_HELP_LOCAL: Final = "Nothing you say leaves this computer."
MODEL_HELP_RETIRING: Final = "This one is being retired. Choose a newer one."
QUALITY: Final = "Picture of the avatar"
QUALITY_HELP: Final = "Higher needs a better network."
QUALITY_NAMES: Final = {
    "very_high": "1080 lines",
    "high": "720 lines",
    "medium": "480 lines",
    "low": "360 lines",
}
SANDBOX: Final = "Sandbox"
SANDBOX_HELP: Final = "Free minutes with one avatar of LiveAvatar's."

# ------------------------------------------------------------------ routes
ERROR_NO_TALK: Final = "This talk is not yours or has ended. Reload the page to begin a new one."
ERROR_HOST: Final = "This address is not one of Kai's. Open the page at the address that Kai printed."
ERROR_ORIGIN: Final = "This came from another site, so Kai ignored it."
ERROR_NOT_JSON: Final = "Kai expects JSON here."
ERROR_TOO_LARGE: Final = "That was too large for Kai."
ERROR_WISH: Final = "Kai does not know this command."
ERROR_STARTING: Final = NOT_STARTED
ERROR_NO_RECORDING: Final = "This recording does not exist, or is not yours."
ERROR_NO_VOICE: Final = "There is no such voice."
ERROR_NO_PICTURE: Final = "There is no such picture."
ERROR_NO_PAGE: Final = "Open Kai's page in this browser first."
ERROR_NO_AVATAR: Final = "This Kai has no cloud avatar: set LIVEAVATAR_API_KEY."
ERROR_AVATAR_SLOW: Final = "LiveAvatar did not answer in time. Try again."


def dollars(usd: float) -> str:
    """A sum of US dollars: ``under 1 ¢``, ``4 ¢``, ``1.20 US$``."""
    if 0 < usd < 0.01:
        return "under 1 ¢"
    return f"{round(usd * 100)} ¢" if usd < 1 else f"{usd:.2f} US$"


def cost_so_far(usd: float, *, is_exact: bool) -> str:
    """What a talk has cost: ``4 ¢ so far``, ``at least 1.20 US$``."""
    return f"{dollars(usd)} so far" if is_exact else f"at least {dollars(usd)}"


def credits_used(count: int) -> str:
    """Credits of the avatar's account."""
    return "1 credit" if count == 1 else f"{count} credits"


def credits_words(left: float, minutes_left: int, used: int) -> str:
    """What the avatar's account has left, and what this talk has used of it."""
    return f"{left:g} credits left, about {duration(minutes_left * 60)}. This talk used {credits_used(used)}."


def near_limit(name: str, remaining: int, limit: int) -> str:
    """One of the provider's limits that is nearly reached."""
    return f"Limit of {name} is near: {remaining} of {limit} left"


def voice_name(name: str, sex: str, accent: str) -> str:
    """A voice of the local engine: ``Emma, British woman``."""
    return f"{name}, {accent} {sex}"


def listed(names: Sequence[str]) -> str:
    """Names in a row: ``Bella, Emma and George``."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def duration(seconds: float) -> str:
    """A length of time in words: ``3 min 12 s``."""
    whole = max(0, round(seconds))
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def stopwatch(seconds: float) -> str:
    """A place in a talk: ``1:05``."""
    whole = max(0, int(seconds))
    return f"{whole // 60}:{whole % 60:02}"


# ------------------------------------------------------------------ the door
DOOR_TITLE: Final = "Kai"
DOOR_LEAD: Final = "Enter the password to open this Kai."
DOOR_PASSWORD: Final = "Password"
DOOR_OPEN: Final = "Sign in"
DOOR_WRONG: Final = "Wrong password."
DOOR_BUSY: Final = "Too many people are signing in. Try again in a moment."
DOOR_WAIT: Final = "Wait {duration} before the next try."
DOOR_ASKS: Final = "Open the page and enter the password first."
DOOR_NO_HASH: Final = (
    "KAI_PASSWORD_HASH is not a hash that Kai made. Make one with `python -m kai.ui.password`."
)
DOOR_REFUSES: Final = (
    "Kai does not open itself to other computers without a password. Make one with `python -m kai.ui.password`, put the "
    "line that it prints into .env, and start Kai again; or start it without --server.address, for this computer alone."
)

# ------------------------------------------------------------------ past talks
HISTORY_PAGE: Final = "History"
HISTORY_TITLE: Final = "Past talks"
HISTORY_LEAD: Final = "Kept on this computer only: words and times; sound only where you pressed Record."
HISTORY_EMPTY_TITLE: Final = "No talks yet"
HISTORY_EMPTY: Final = "Talk with Kai, and afterwards you can read, search and export what was said here."
HISTORY_OFF: Final = (
    "Talks are not kept now: what you say is gone when the talk ends. Turn it on under Storage; it applies from the "
    "next talk on."
)
HISTORY_OFF_BY_SETTING: Final = "Talks are not kept: KAI_HISTORY is false in Kai's settings."
HISTORY_SET_ASIDE: Final = (
    "One of Kai's files could not be read, so Kai began a new one. The old one is still there: {path}"
)
HISTORY_SEARCH: Final = "Search what was said"
HISTORY_NOTHING_FOUND: Final = "Nothing was found. Try fewer or other words."
HISTORY_MORE: Final = "Show more"
HISTORY_NO_WORDS: Final = "Only Kai spoke"
HISTORY_GOES_ON: Final = "still going on"
HISTORY_CHOOSE: Final = "Choose a talk on the left to read it."
HISTORY_BACK: Final = "All talks"
HISTORY_KEEPING: Final = "Storage"
HISTORY_KEEP: Final = "Keep talks on this computer"
HISTORY_KEEP_FOR: Final = "Keep for"
HISTORY_DAYS: Final = {7: "a week", 30: "a month", 90: "three months", 365: "a year"}
HISTORY_SOUND_SIZE: Final = "Recorded sound takes up {size} MB. It is deleted together with its talk."
HISTORY_DELETE: Final = "Delete"
HISTORY_DELETE_THIS: Final = "Delete this talk for good?"
HISTORY_DELETE_ALL: Final = "Delete all talks"
HISTORY_DELETE_ALL_SURE: Final = "Delete every talk for good?"
HISTORY_DELETE_YES: Final = "Yes, delete"
HISTORY_EXPORT_MARKDOWN: Final = "Markdown"
HISTORY_EXPORT_JSON: Final = "JSON"
HISTORY_EXPORT_WEBVTT: Final = "Captions"
HISTORY_SOUND: Final = "Listen again"
HISTORY_SOUND_OF: Final = "The sound of this talk, with captions"
HISTORY_SOUND_PART: Final = "From {start}, {length} long"
HISTORY_SOUND_SAVE: Final = "Save the sound"
HISTORY_SOUND_WHERE: Final = "You're in the left channel, Kai in the right."
HISTORY_EXPORT_HELP: Final = "Save this talk as a file"
HISTORY_ANSWERED: Final = "answered after {seconds} s"
HISTORY_SPOKE: Final = "{seconds} s long"
HISTORY_FREE: Final = "free"
HISTORY_COST: Final = "cost {cost}"
HISTORY_COST_LEAST: Final = "cost at least {cost}"
HISTORY_AVATAR: Final = "{minutes} min of LiveAvatar"
HISTORY_CUTS: Final = "{count} interrupted"
HISTORY_TIMES: Final = "Times and cost, answer by answer"
HISTORY_TIMES_HEAD: Final = (
    "At",
    "Answered after",
    "Thinking",
    "Voice",
    "Face",
    "Heard for",
    "Interrupted",
    "Cost",
    "Mind",
)
INSIGHTS_MINDS: Final = "Who thought of the answers: {minds}."
HISTORY_YES: Final = "yes"
HISTORY_NO: Final = "no"
HISTORY_TITLE_OF: Final = "Talk of {day}"
HISTORY_LINES: Final = "{count} lines"
HISTORY_ONE_LINE: Final = "1 line"
TODAY: Final = "Today"
YESTERDAY: Final = "Yesterday"

# ------------------------------------------------------------------ insights
INSIGHTS_PAGE: Final = "Insights"
INSIGHTS_TITLE: Final = "Insights"
INSIGHTS_LEAD: Final = "How the talks kept on this computer went."
INSIGHTS_EMPTY_TITLE: Final = "Nothing to draw yet"
INSIGHTS_EMPTY: Final = "Ask Kai a few things, then look here. This is what it will look like:"
INSIGHTS_EXAMPLE: Final = "Example with made-up numbers"
INSIGHTS_RANGE: Final = "Days"
INSIGHTS_RANGES: Final = {1: "today", 7: "7 days", 30: "30 days", 365: "a year"}
INSIGHTS_TURNS: Final = "Answers"
INSIGHTS_TALKS: Final = "Talks"
INSIGHTS_WAIT_HALF: Final = "Typical wait"
INSIGHTS_WAIT_MOST: Final = "Slowest 5 % above"
INSIGHTS_INTERRUPTED: Final = "Interrupted"
INSIGHTS_WAIT_TITLE: Final = "How long until Kai is heard, answer by answer"
INSIGHTS_WAIT_HELP: Final = (
    "From when Kai decides that you have finished. The band reaches from the middle (p50) to the slow end (p95) "
    "of the last 20 answers."
)
INSIGHTS_STAGES_TITLE: Final = "Where the time goes"
INSIGHTS_STAGES: Final = {
    "think_ms": "until Kai knows what to say",
    "voice_ms": "until the voice has its first sound",
    "face_ms": "until you hear it",
}
INSIGHTS_STAGES_HELP: Final = "The middle (p50) and the slow end (p95) of each part."
INSIGHTS_DAYS_TITLE: Final = "Answers by day"
INSIGHTS_DAYS_HELP: Final = "The amber part was interrupted."
INSIGHTS_HEARD_OUT: Final = "heard to the end"
INSIGHTS_CUT: Final = "interrupted"
INSIGHTS_SECONDS: Final = "seconds"
INSIGHTS_ANSWER: Final = "answer"
INSIGHTS_DAY: Final = "day"
INSIGHTS_COUNT: Final = "answers"
INSIGHTS_CSV: Final = "Answers as CSV"
INSIGHTS_CSV_TALKS: Final = "Talks as CSV"
INSIGHTS_PARTS_TITLE: Final = "The last answers, part by part"
INSIGHTS_PARTS_HELP: Final = "One bar per answer; the steps stack from the bottom up."
INSIGHTS_PARTS: Final = {"think_ms": "thinking", "voice_ms": "voice", "face_ms": "face"}
INSIGHTS_FPS: Final = "Frames per second"
INSIGHTS_FPS_TITLE: Final = "Frames per second while Kai speaks"
INSIGHTS_FPS_HELP: Final = (
    "As the page counts them; hollow where only what the app sent is known. {dropped} frames were not shown."
)
INSIGHTS_SOUND_LOST: Final = "{seconds} of your own sound were lost: this computer was too busy."
INSIGHTS_LATE_TITLE: Final = "Sound against picture"
INSIGHTS_LATE_HELP: Final = (
    "How much later than its sound the picture leaves Kai's app, answer by answer. Within the band (40 ms early to 60 ms "
    "late) nobody notices. Measured for the built-in face only."
)
INSIGHTS_MS: Final = "ms"
INSIGHTS_NOT_SEEN: Final = (
    "No frames were counted in these talks yet: that happens while Kai speaks and a page shows the face."
)
INSIGHTS_COST: Final = "Spent"
INSIGHTS_COST_NONE: Final = "nothing"
INSIGHTS_COST_TITLE: Final = "What it cost"
INSIGHTS_COST_DAY: Final = "By day"
INSIGHTS_COST_TALK: Final = "By talk"
INSIGHTS_COST_FREE: Final = "Nothing was spent: everything ran on this computer."
INSIGHTS_COST_HELP: Final = "By the prices that Kai knows; only the provider's bill is exact."
INSIGHTS_COST_UNKNOWN: Final = "Some of it has no known price and is missing here."
INSIGHTS_DOLLARS: Final = "US dollars"
INSIGHTS_AVATAR: Final = "minutes of LiveAvatar"


def seconds(ms: float | None) -> str:
    """A length of time of a few seconds: ``0.84 s``; a dash where there is none."""
    return "–" if ms is None else f"{ms / 1000:.2f} s"


def seconds_short(ms: float | None) -> str:
    """A length of time of some seconds: ``0.8 s``; a dash where there is none."""
    return "–" if ms is None else f"{ms / 1000:.1f} s"


def money(usd: float | None) -> str:
    """A sum of US dollars, with as many places as it needs: ``$0.0042``, ``$0.13``; a dash where there is none."""
    if usd is None:
        return "–"
    if 0 < usd < 0.0001:
        return "under $0.0001"
    return f"${usd:.2f}" if usd >= 0.1 or usd == 0 else f"${usd:.4f}"


def mind(name: str, tokens_per_s: float | None) -> str:
    """Who thought of an answer, and how fast: ``Qwen2.5 1.5B, 13.4 tokens a second``."""
    return name if tokens_per_s is None else f"{name}, {tokens_per_s:.1f} tokens a second"


def answers_of_mind(name: str, count: int, tokens_per_s: float | None) -> str:
    """How often a mind answered, and how fast in the middle."""
    times = "once" if count == 1 else f"{count} times"
    return f"{name} {times}" + ("" if tokens_per_s is None else f" at {tokens_per_s:.1f} tokens a second")


def talk_cost(cost_usd: float | None, *, is_exact: bool, avatar_s: float) -> str:
    """What a talk has cost, in words."""
    if cost_usd is None:
        brain = ""
    else:
        words = HISTORY_COST if is_exact else HISTORY_COST_LEAST
        brain = words.format(cost=money(cost_usd))
    avatar = HISTORY_AVATAR.format(minutes=f"{avatar_s / 60:.1f}") if avatar_s else ""
    return " · ".join(part for part in (brain, avatar) if part) or HISTORY_FREE


def day(wall_s: float, now_wall_s: float, zone: tzinfo | None = None) -> str:
    """A day in words, by the calendar of ``zone``: ``Today``, ``Yesterday`` or ``3 May 2026``."""
    at, today = local_time(wall_s, zone).date(), local_time(now_wall_s, zone).date()
    if at == today:
        return TODAY
    if at == today - timedelta(days=1):
        return YESTERDAY
    return f"{at.day} {at:%B %Y}"


def clock(wall_s: float, zone: tzinfo | None = None) -> str:
    """A time of day by the clock of ``zone``: ``14:05``."""
    return f"{local_time(wall_s, zone):%H:%M}"


# ------------------------------------------------------------------ the language model
MODEL_LABEL: Final = "Language model"
MODEL_OFFER: Final = (
    "With a language model Kai converses about anything, on this computer alone. {name}: {size}, fetched once; licence "
    "{licence}."
)
MODEL_OFFER_SHORT: Final = "Kai answers with its small mind. A language model is {size} away."
MODEL_HALF: Final = "{done} of it came earlier; the rest follows."
MODEL_COMING: Final = (
    "The language model is on its way: {percent} %, {done} of {size}. Until it is here, Kai answers with its small "
    "mind."
)
MODEL_COMING_SHORT: Final = "Language model: {percent} %, {done} of {size}"
MODEL_CHECKING: Final = "The language model is here and is being checked."
MODEL_READY: Final = "The language model is here. Kai converses from now on."
MODEL_UNSUPPORTED_SHORT: Final = "Kai answers with its small mind on this computer."
MODEL_FAILED_SHORT: Final = "The language model is not here. Kai answers with its small mind."
MODEL_FETCH: Final = "Fetch it"
MODEL_GO_ON: Final = "Go on"
MODEL_CANCEL: Final = "Cancel"
MODEL_FROM_MAKER: Final = "Fetch it from its maker"
MODEL_LATER: Final = "Not now"
MODEL_ERROR: Final = "That did not work. Try again in a moment."
ERROR_MODEL_HOME: Final = "Only who sits at Kai's own computer can fetch its language model."


def megabytes(count: int) -> str:
    """A size in megabytes: ``1,117 MB``."""
    return f"{count / 1e6:,.0f} MB"


# ------------------------------------------------------------------ checks
CHECK_HEADING: Final = "Check"
CHECK_LEAD: Final = (
    "Before it matters: one press checks everything that a talk needs, within twenty seconds. The page listens to your "
    "microphone for three of them and plays a short tone. Nothing is recorded."
)
CHECK_NOW: Final = "Check now"
CHECK_AGAIN: Final = "Check again"
CHECK_LOOKING: Final = "Checking this computer and Kai's services"
CHECK_LOOKING_PAGE: Final = "Checking this page"
CHECK_SPEAK: Final = "Say a few words now"
CHECK_LEVELS: Final = {"green": "Good", "amber": "Look here", "red": "Problem", "unused": "Not used"}
CHECK_VERDICTS: Final = {
    "green": "Everything that a talk needs is there.",
    "amber": "A talk will work. Something could be better; it is marked below.",
    "red": "A talk will not work as it should. See below what to do.",
}
CHECK_NAMES: Final = {
    "engine": "Kai's engine",
    "weights": "Model files",
    "openai": "OpenAI Realtime",
    "liveavatar": "LiveAvatar",
    "model": "Language model",
    "mind": "Your own model server",
    "servers": "Model servers on this computer",
    "orphans": "Paid sessions left open",
    "disk": "Disk",
    "memory": "Memory",
    "network": "Network",
    "relays": "STUN and TURN servers",
    "avatar": "The avatar",
    "browser": "What the browser can do",
    "udp": "Sound and picture on this computer",
    "secure": "This page",
    "webrtc": "The browser's connection",
    "microphone": "Microphone",
    "noise": "Noise in the room",
    "echo": "Echo",
}
_CHECK_PROVIDER: Final = {
    "unused": ("Not set up (optional).", ""),
    "good": ("The key is good. It answered in {ms} ms.", ""),
    "far": (
        "The key is good, but it answered in {ms} ms: talks will feel slow.",
        "Try another network, without a VPN.",
    ),
    "key": ("It refused the key.", "Make a new key and put it into .env, then start Kai again."),
    "missing": (
        "The key is good, but what the settings name does not exist.",
        "Check the model's or avatar's name in .env.",
    ),
    "limit": ("Its limit has been reached.", "Wait a minute, or raise the account's limit."),
    "slow": (
        "It did not answer in 5 s.",
        "Check the network. Without the key, Kai works on this computer alone.",
    ),
    "unreachable": (
        "It cannot be reached.",
        "Check the network. Without internet, take the key out of .env: Kai then works on this computer alone.",
    ),
    "proxy": (
        "It cannot be reached through the proxy that the environment names.",
        "Check HTTPS_PROXY and ALL_PROXY: correct or unset them, then start Kai again.",
    ),
    "address": ("The address in the settings is not a valid URL.", "Correct the address in .env."),
    "trouble": ("It reports an error of its own ({status}).", "Try again in a few minutes."),
}
_CHECK_WORDS: Final[dict[str, dict[str, tuple[str, str]]]] = {
    "engine": {
        "up": ("Running on this computer.", ""),
        "unused": ("OpenAI answers in its place.", ""),
        "starting": ("It is still starting. {progress}", "Wait half a minute, then check again."),
        "broken": ("It cannot run. {problem}", "Start Kai again. If it stays so, run make install."),
        "stand_in": ("Running, with a stand-in. {problem}", "Run make install, then start Kai again."),
    },
    "weights": {
        "right": ("All {count} are there and correct.", ""),
        "wrong": ("{problem}", "Run make install, then start Kai again."),
    },
    "openai": {
        **_CHECK_PROVIDER,
        "retiring": (
            "The key is good. OpenAI shuts this model down on {shutdown}, in {days} days.",
            "Choose a newer model in the sidebar, or set KAI_OPENAI_MODEL in .env.",
        ),
    },
    "liveavatar": {
        **_CHECK_PROVIDER,
        "good": ("The key is good, with {credits} credits left. It answered in {ms} ms.", ""),
        "few": (
            "{credits} credits are left: not enough for a talk of {minutes} minutes.",
            "Buy credits, or talk with the face of this computer.",
        ),
    },
    "model": {
        "unused": ("OpenAI answers in its place.", ""),
        "off": ("Switched off by KAI_MIND=none; Kai answers with its small mind.", ""),
        "right": ("{name} is here, {size} GB, every byte verified.", ""),
        "smaller": ("{problem}", "A faster computer, or another model server, answers better."),
        "own": ("Your own file is used: {name}, {size} GB. Kai cannot tell whether it is whole.", ""),
        "wrong": ("{problem}", "Start Kai again, then fetch the model on the Talk page."),
        "coming": (
            "{name} is on its way: {percent} % is here. Kai answers with its small mind meanwhile.",
            "Wait for it.",
        ),
        "missing": (
            "{name} is not here ({size} GB). Kai answers with its small mind, which knows little.",
            "Fetch it on the Talk page, or run make install.",
        ),
        "broken": ("{problem}", "Kai answers with its small mind meanwhile. Try again on the Talk page."),
    },
    "servers": CHECK_SERVERS,
    "mind": {**_CHECK_PROVIDER, "unused": ("Not set up (optional).", "")},
    "orphans": {
        "none": ("None.", ""),
        "left": (
            "{count} may still be running and costing money.",
            "Start Kai again with the same key: it stops them by itself.",
        ),
    },
    "disk": {
        "room": ("{free} GB are free where Kai keeps things.", "Make some room: 1 GB is good."),
        "full": ("Only {free} GB are free where Kai keeps things.", "Make some room: 1 GB is good."),
        "no-write": (
            "Kai cannot write to {folder}.",
            "Change the folder's permissions, or set KAI_DATA_DIR to another folder.",
        ),
    },
    "memory": {
        "enough": ("{free} GB are free.", ""),
        "little": ("Only {free} GB are free.", "Close what you don't need; browser tabs take the most."),
    },
    "network": {
        "not-needed": ("Connected. Kai does not need it: everything runs on this computer.", ""),
        "needed": ("Connected; the providers that you set up need it.", ""),
        "gone": (
            "Not connected. Kai needs no internet, but browsers start neither video nor "
            "microphone without a network; you can type, and hear the answers.",
            "Turn on Wi-Fi, or plug in a cable; no internet is needed.",
        ),
        "gone-needed": (
            "Not connected, and Kai's voice or face comes from a provider.",
            "Connect this computer to the internet, or take the keys out of .env: Kai then works on this computer alone.",
        ),
    },
    "relays": {
        "unused": ("Not set up; on this computer none is needed.", ""),
        "answer": ("All {count} answer: browsers on other computers can connect.", ""),
        "silent": (
            "{servers} did not answer over UDP.",
            "Check the address in KAI_ICE_SERVERS, and whether a firewall blocks outgoing UDP.",
        ),
    },
    "avatar": {
        "unused": ("Not used; Kai has its built-in face.", ""),
        "usable": ("{name} can be used.", ""),
        "plan": ("{name} can be used. {plan}", ""),
        "unusable": (
            "{name} cannot be used now: it is not ready, or has expired.",
            "Choose another one in the sidebar, or clear KAI_LIVEAVATAR_AVATAR_ID in .env.",
        ),
        "missing": (
            "The avatar {id} is not among those of this account.",
            "Correct KAI_LIVEAVATAR_AVATAR_ID in .env, or clear it to take the first one.",
        ),
        "none": (
            "This account has no avatar that can be used.",
            "Make one at LiveAvatar, or wait until it is ready.",
        ),
        "unknown": ("It could not be looked up.", "See LiveAvatar, above."),
    },
    "browser": {
        "all": ("Everything that Kai uses.", ""),
        "lacks": (
            "It cannot {lacks}.",
            "Kai does without. A newer Chrome, Edge, Firefox or Safari can do more.",
        ),
        "no-media": (
            "It cannot show Kai's picture or play its sound.",
            "Use a newer Chrome, Edge, Firefox or Safari.",
        ),
    },
    "udp": {
        "open": ("Nothing blocks it.", ""),
        "no-interface": (
            "No network interface of this computer is up.",
            "Turn on Wi-Fi; no internet is needed. Until then you can type to Kai.",
        ),
        "loopback-blocked": (
            "Packets to this computer itself are lost.",
            "A firewall or VPN blocks them. Allow UDP on 127.0.0.1.",
        ),
        "interface-blocked": (
            "Packets over the network interface to this computer itself are lost.",
            "A firewall or VPN blocks them. Allow UDP for Kai and the browser.",
        ),
    },
    "secure": {
        "secure": ("Secure: the microphone is allowed.", ""),
        "insecure": (
            "The browser does not allow the microphone at this address.",
            "Open Kai at 127.0.0.1, or with HTTPS: see I work on another computer, below.",
        ),
    },
    "webrtc": {
        "good": ("Video and sound can connect.", ""),
        "no-webrtc": ("This browser has no WebRTC.", "Use a newer Chrome, Edge, Firefox or Safari."),
        "no-interface": (
            "The browser sees no network interface, and starts neither video nor sound without one.",
            "Turn on Wi-Fi; no internet is needed. Until then you can type to Kai.",
        ),
        "no-path": (
            "The browser could not connect to itself.",
            "An extension, a VPN or a firewall blocks WebRTC. Try a private window.",
        ),
    },
    "microphone": {
        "heard": ("Microphone works (peak {db} dB).", ""),
        "quiet": (
            "It hears hardly anything (peak {db} dB).",
            "Speak up and check again. If that does not help, choose another microphone, or unmute it in your system.",
        ),
        "refused": (
            "It is blocked. You can type to Kai.",
            "Click the icon left of the address and allow the microphone, then check again.",
        ),
        "missing": ("No microphone was found. You can type to Kai.", "Plug one in, then check again."),
    },
    "noise": {
        "quiet": ("The room is quiet: {db} dB between words.", ""),
        "noisy": ("The room is loud: {db} dB between words.", "Use a headset, or push to talk."),
    },
    "echo": {
        "none": ("The microphone does not hear the loudspeaker.", ""),
        "echo": (
            "The microphone hears the loudspeaker.",
            "Use a headset, or turn the loudspeaker down, so that Kai does not interrupt itself.",
        ),
    },
}
CHECK_ABILITIES: Final = {
    "loudspeaker": "choose a loudspeaker",
    "awake": "keep the screen awake in presenter mode",
    "fullscreen": "fill the screen in presenter mode",
    "counts": "count pictures for Insights",
}
_CHECK_ANY: Final = {
    "late": ("The check took too long.", "Check again when the computer is less busy."),
    "fault": ("It could not be checked.", "Check again. If it stays so, the log says why."),
}
CHECK_VERSIONS_HEADING: Final = "Versions"
CHECK_LICENCES: Final = (
    "Kai is under the MIT licence. What it is built with, and on which terms, is listed in `THIRD_PARTY_NOTICES.md` "
    "beside it."
)


def check_words(name: str, code: str, facts: Mapping[str, str]) -> tuple[str, str]:
    """What a finding says, and what to do about it (empty where nothing is)."""
    says, fix = _CHECK_WORDS.get(name, {}).get(code) or _CHECK_ANY.get(code, _CHECK_ANY["fault"])
    known = {"credits": "some", **facts}
    return says.format_map(known).strip(), fix
