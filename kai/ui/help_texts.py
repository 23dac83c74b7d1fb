"""The words of the help page."""

from __future__ import annotations

from typing import Final

TITLE: Final = "How Kai works"
LEAD: Final = "Kai hears you, thinks, and answers by voice, with a face that speaks along. Kai is an AI. It can be wrong."

SECTIONS: Final = (
    (
        "What runs where",
        "- **Your browser** sends the microphone and shows Kai's picture and sound.\n"
        "- **Kai's app** on this computer joins everything. This page comes from it.\n"
        "- **Kai's engine**, also on this computer, turns speech into words, finds an answer and speaks it. It is used as "
        "long as no key for OpenAI is set.\n"
        "- **Kai's face** is drawn on this computer, 25 frames a second.\n\n"
        "With a key for OpenAI, your voice goes to OpenAI Realtime, which answers in place of the engine. With a key for "
        "LiveAvatar, what Kai says goes to LiveAvatar, whose avatar is Kai's face; your voice does not go there.",
    ),
    (
        "Your privacy",
        "- Without a key, nothing leaves this computer: no voice, no text, no usage statistics.\n"
        "- Kai keeps no sound unless you press **Record**; a light then says so on every page.\n"
        "- Recorded sound is kept in a file of its own, goes nowhere, and is deleted with its talk.\n"
        "- The words of past talks are kept in a file on this computer. The History page shows them, deletes them, and can "
        "stop keeping them.\n"
        "- Keys are read by the app alone. They never reach this page.\n"
        "- When you press Mute, Kai gets silence. The browser may still show the microphone as open.",
    ),
)

TROUBLE_HEADING: Final = "When something is not right"
TROUBLE: Final = (
    (
        "The microphone is blocked",
        "Click the icon left of the address, allow the microphone, then press **Try again** on the Talk page. You can "
        "type meanwhile; Kai still answers by voice.",
    ),
    (
        "No microphone was found",
        "Plug one in, or turn it on in your system's settings, then press **Try again**.",
    ),
    (
        "Kai does not hear me",
        "Look at the level beside the picture while you speak. If it does not move, choose another microphone on the "
        "right. If it is struck through, press **Unmute**.",
    ),
    (
        "I see Kai but hear nothing",
        "Choose another loudspeaker on the right of the picture, and check your system's volume. If the page "
        "says that the browser is holding back the sound, press its button.",
    ),
    (
        "The picture does not come",
        "Kai tries three times by itself. Without any network, a browser starts neither video nor microphone: turn "
        "on Wi-Fi; no internet is needed. A strict firewall or VPN on this computer may stand between the page and "
        "the app.",
    ),
    (
        "Kai cuts me off, or hears itself",
        "Use a headset, or turn the loudspeaker down. The browser removes the echo as well as it can.",
    ),
    (
        "Kai is slow",
        "Kai needs about one free processor core, and two are better. Close what keeps the computer busy.",
    ),
    (
        "The page says that the connection is lost",
        "The app was stopped or is starting again. Start it, then reload this page.",
    ),
    (
        "The app runs on another computer",
        "Kai listens to other computers when it is started with `--server.address 0.0.0.0` and a password is set: "
        "`python -m kai.ui.password` makes the line for `.env`. Browsers give the microphone only to pages on this computer "
        "or with HTTPS: start Streamlit with `--server.sslCertFile` and `--server.sslKeyFile` as well. Set ICE servers in "
        "Kai's settings if a firewall is between the two.",
    ),
)

REPORT_HEADING: Final = "Report of this talk"
REPORT_LEAD: Final = (
    "If something went wrong, this file says what happened and when: connections, turns, answers, timers, settings, and the "
    "versions of what runs here. There is no sound in it, no key and no address of a server. Each word that was "
    "said or typed is replaced by an x. `python -m kai.replay kai-talk.jsonl` prints what is in it."
)
REPORT_WORDS: Final = "Keep the words, too"
REPORT_SAVE: Final = "Save a report of this talk"
