"""Every word that a person reads about the checks: what was found, then what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from kai.ui.mind_texts import CHECK_SERVERS

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
CHECK_LEVEL: Final = "Microphone level"
CHECK_REST: Final = "Everything else"
CHECK_UNUSED: Final = "Not used ({count})"
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
    "processor": "Processor",
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
        "live": (
            "The settings name a GPT-Live model, which has an interface of its own that Kai does not speak yet.",
            "Choose a gpt-realtime model in the sidebar, or set KAI_OPENAI_MODEL in .env.",
        ),
        "retiring": (
            "The key is good. OpenAI will shut this model down on {shutdown}, in {days} days.",
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
        "wrong": ("{problem}", "Start Kai again, then download the model on the Talk page."),
        "coming": (
            "{name} is on its way: {percent}% is here. Kai answers with its small mind meanwhile.",
            "Wait for it.",
        ),
        "missing": (
            "{name} is not here ({size} GB). Kai answers with its small mind, which knows little.",
            "Download it on the Talk page, or run make install.",
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
    "processor": {
        "free": ("{free} of {cores} cores are free.", ""),
        "busy": (
            "Other programs are at work: only {free} of {cores} cores are free. Kai's picture may stutter.",
            "Close what you don't need. Kai takes about one core.",
        ),
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
            "Open Kai at 127.0.0.1, or with HTTPS: see “The app runs on another computer”, below.",
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
        "heard": ("It works: {db} dB at your loudest.", ""),
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
    "counts": "count frames for Insights",
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
