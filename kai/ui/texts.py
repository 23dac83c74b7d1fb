"""Every word that a person reads on the page, in one place. Short, plain, friendly: what happened, then what to do."""

from __future__ import annotations

from typing import Final

from kai.core.characters import DEFAULT_NAME

APP_NAME: Final = "Kai"
TALK_PAGE: Final = "Talk"
HELP_PAGE: Final = "Check and help"
HELP_PAGE_SHORT: Final = "Check"
SETTINGS: Final = "Settings"
SKIP: Final = "Skip to the controls"

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
KAI: Final = DEFAULT_NAME
NOTICE: Final = "Note"
ROLE_NAMES: Final = {"user": YOU, "assistant": KAI, "notice": NOTICE}
BACK_TO_TALK: Final = "Back to the talk"
NOT_STARTED: Final = "Kai is still starting. Wait a moment, then reload this page."
NO_COOKIES: Final = (
    "This page cannot keep its cookie, so Kai cannot recognise you. "
    "Allow cookies for this address, then reload."
)

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
BRAIN_RECALL: Final = "Try OpenAI again"
NETWORK_WORDS: Final = {"good": "good", "weak": "weak", "poor": "poor"}
NETWORK_ADVICE_HERE: Final = "This computer is busy. Close what you don't need, so that Kai runs smoothly."
NETWORK_ADVICE: Final = {
    "lost": "{lost}% of the packets are lost. Move closer to the Wi-Fi, or use a cable.",
    "round_trip_ms": "The round trip to Kai takes {ms} ms. Turn off your VPN, or use another network.",
    "jitter_ms": "Sound arrives unevenly. Stop downloads and other calls, or use a cable.",
}
BUSY: Final = "busy"
SLOW_PICTURE: Final = "{fps} frames a second: this computer is busy"
TIME_LEFT: Final = "{time} left"

HOLD_TO_TALK: Final = "Hold to talk"
LET_GO: Final = "Let go to send"
MUTE: Final = "Mute"
UNMUTE: Final = "Unmute"
INTERRUPT: Final = "Interrupt"
STOP: Final = "Stop"
CLEAR: Final = "Clear chat"
CLEARED: Final = "The chat is cleared."
UNDO: Final = "Undo"
SEND: Final = "Send"
TYPE_HERE: Final = "Type to Kai. Enter sends."
EMPTY_LINE: Final = "Type a few words first."
LINE_TOO_LONG: Final = "That is longer than {limit} characters. Please shorten it."
DEVICES: Final = "Devices"
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
    ("T", "type to Kai, in presenter mode too"),
    ("L", "clear the chat; Undo is there for 5 seconds"),
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

PRESS_AGAIN: Final = {"e": "Press E again to end"}
CAPTION_HINT_PRESENTING: Final = "Say hello."
CAPTION_HINT: Final = "Say hello, or type below."
CAPTION_HINT_HOLD: Final = "Hold the space bar or the button while you speak."
CAPTION_HINT_TYPE: Final = "Type below, and Kai answers."
INTERRUPTED: Final = "interrupted"
CHAT_LABEL: Final = "Conversation"
STARTERS: Final = "To begin with"
STARTERS_MODEL: Final = ("What can you do?", "Why is the sky blue?", "Tell me a story about a lighthouse.")
STARTERS_SMALL_MIND: Final = ("What can you do?", "What time is it in Tokyo?", "What is 18 times 7?")

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

SIDEBAR_WHO: Final = "Face"
SIDEBAR_HOW: Final = "Voice"
SIDEBAR_WHAT: Final = "Persona"
SIDEBAR_WHEN: Final = "When you've finished"
SIDEBAR_WHERE: Final = "Where it runs"
SIDEBAR_PRESETS: Final = "Presets"
START_FRESH: Final = "Start fresh"
START_FRESH_HELP: Final = "Put every setting back as Kai brings it. Presets, personas and files stay."
STARTED_FRESH: Final = "Every setting is as Kai brings it."
PRESET_UNNAMED: Final = "My settings"
PRESET_EXPORT: Final = "Export as a file"
PRESET_IMPORT: Final = "Import a file"
PRESET_SPEED: Final = "speed {speed}"
PRESET_WITH_INSTRUCTIONS: Final = "with instructions"
PRESET_NO_INSTRUCTIONS: Final = "no instructions"
PRESET_IMPORTED: Final = "“{name}” is saved and in use: {settings}."
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
MORE_WITH_KEY: Final = "{count} more with an OpenAI key"
MORE_WITH_OPENAI: Final = "{count} more with OpenAI"
MORE_WITH_MODEL: Final = "{count} more with another model"
SETTING_MISSING: Final = "{brain} has no such setting."
STYLE: Final = "Style"
STYLE_COLOURS: Final = {
    "skin": "Skin",
    "lip": "Lips",
    "hair": "Hair",
    "brow": "Brows",
    "iris": "Eyes",
    "cloth": "Clothes",
    "accent": "Accent",
    "background": "Backdrop",
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
MORE_VOICES: Final = "More voices"
VOICES_OWN: Final = "Speakers of their own for Kai, Emil, Ines and Vera."
VOICES_EXTRA: Final = "{voices}, at two thirds of a core while they speak."
VOICES_SIZE: Final = "{size}, downloaded once; licence {licence}."
VOICES_HERE: Final = "On this computer."
VOICES_REMOVE: Final = "Remove"
INSTRUCTIONS_HELP_LOCAL: Final = (
    'Offline, Kai picks up names, plain facts and "be brief"; a language model follows all of it.'
)
DOCUMENTS: Final = "Your files"
DOCUMENTS_SOME: Final = "Your files ({count})"
DOCUMENTS_HELP: Final = (
    "Text and Markdown; Kai answers from them and names the file. They stay on this computer; OpenAI, where it answers, gets "
    "only the passages that it asks for."
)
DOCUMENT_REMOVE: Final = "Remove {name}"
ADVANCED: Final = "Advanced"
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
    """A sum of US dollars: ``under 1¢``, ``4¢``, ``$1.20``."""
    if 0 < usd < 0.01:
        return "under 1¢"
    return f"{round(usd * 100)}¢" if usd < 1 else f"${usd:.2f}"


def cost_so_far(usd: float, *, is_exact: bool) -> str:
    """What a talk has cost: ``4¢ so far``, ``at least $1.20``."""
    return f"{dollars(usd)} so far" if is_exact else f"at least {dollars(usd)}"


def cost_an_hour(usd: float) -> str:
    """Return what an hour of the talk costs at its pace."""
    return f"about ${usd:.2f} an hour"


def budget_lasts(minutes: float) -> str:
    """Return how long the budget lasts at the talk's pace."""
    if minutes < 1:
        return "budget for less than a minute"
    return "budget for about a minute" if minutes < 1.5 else f"budget for about {minutes:.0f} min"


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
