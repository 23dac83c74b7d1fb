"""``python -m kai.replay FILE``: what happened in a talk, in plain lines with times, from a report that the Check page saves.

The reducer of this version handles the recorded events again. The commands, states and problems printed with them are
therefore those of this version, not of the one that made the report.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Final

from kai.core import events as ev
from kai.core import journal
from kai.core.state import LegName, SessionState
from kai.errors import KaiError, ProtocolError
from kai.records import report

SAYS: Final[dict[type, str]] = {
    ev.StartRequested: "Start was pressed",
    ev.StopRequested: "the talk was to end",
    ev.MuteToggled: "the microphone was muted or unmuted",
    ev.InterruptRequested: "Interrupt was pressed",
    ev.TextSubmitted: "a line was typed",
    ev.MessagesCleared: "the chat was cleared",
    ev.ClearUndone: "the cleared lines were wanted back",
    ev.ResetRequested: "a new talk was asked for",
    ev.LookChanged: "the sidebar was changed",
    ev.FaceShown: "the page shows the face at another size",
    ev.FaceRecalled: "the avatar was asked back",
    ev.BrainRecalled: "OpenAI was asked back",
    ev.RetryRequested: "another try was asked for",
    ev.ProblemDismissed: "the problem was dismissed",
    ev.TurnKeyPressed: "the talk key went down",
    ev.TurnKeyReleased: "the talk key went up",
    ev.HandOverRequested: "a new voice connection was asked for",
    ev.CardDismissed: "the card was dismissed",
    ev.RecordingWished: "recording was switched",
    ev.LegConnected: "connected",
    ev.LegFailed: "failed",
    ev.BrowserLeft: "the page went away",
    ev.Awoke: "this computer woke up",
    ev.MicrophoneChanged: "the microphone",
    ev.TimeZoneTold: "the page told its time zone",
    ev.UserSpeechStarted: "the person began to speak",
    ev.UserSpeechStopped: "the person stopped speaking",
    ev.UserTranscriptChanged: "the person's words",
    ev.ResponseCreated: "an answer was begun",
    ev.ResponseDone: "the answer was made",
    ev.AssistantTranscriptChanged: "Kai's words",
    ev.AudioStarted: "its sound began to come",
    ev.AudioStopped: "its sound has come",
    ev.AudioCleared: "the rest of its sound was taken back",
    ev.BrainComplained: "the voice service complained",
    ev.BrainDescribed: "the voice service told what it is",
    ev.UsageReported: "the voice service told what was used",
    ev.RateLimitsReported: "the voice service told its limits",
    ev.BrainRemarked: "the voice service said something unknown",
    ev.SpareBrainReady: "the next voice connection stands by",
    ev.SpareBrainFailed: "the next voice connection failed",
    ev.ToolRequested: "Kai called a tool",
    ev.ToolFinished: "the tool answered",
    ev.CardShown: "a card was shown",
    ev.PlayoutStarted: "the answer began to be heard",
    ev.PlayoutFinished: "the answer was heard to its end",
    ev.PlayoutInterrupted: "the answer was cut off",
    ev.CloudOpened: "the paid avatar was ready",
    ev.CloudFailed: "the paid avatar failed",
    ev.CloudLost: "the paid avatar was lost",
    ev.FaceResumed: "the face had lost its line for a moment",
    ev.CreditsReported: "the avatar's account told its credits",
    ev.RecordingFailed: "recording failed",
    ev.TimerFired: "time was up",
}
"""Every kind of event, in words."""

_LONGEST: Final = 60
_ID_CHARS: Final = 6
"""How many of an id's last characters are printed; they suffice to tell ids apart."""
_UNTOLD: Final = frozenset({"look", "lines", "wall_s", "spent_today_usd"})
_LEGS: Final = {LegName.BRAIN: "voice", LegName.FACE: "face", LegName.BROWSER: "page"}


def lines(told: report.Report) -> Iterable[str]:
    """Yield a line for each event, followed by lines for the changes and commands that it caused."""
    state = told.state
    began_s = told.journal[0][0] if told.journal else 0.0
    for at, event, after, commands in journal.steps(told.journal, state):
        minutes, seconds = divmod(at - began_s, 60)
        yield f"{int(minutes):3d}:{seconds:06.3f}  {SAYS[type(event)]}{_details(event)}"
        yield from (f"{'':13}{line}" for line in _changes(state, after))
        if commands:
            yield f"{'':13}-> " + ", ".join(f"{type(c).__name__}{_details(c)}" for c in commands)
        state = after


def _changes(before: SessionState, after: SessionState) -> Iterable[str]:
    for name, word in _LEGS.items():
        if before.leg(name).status is not after.leg(name).status:
            yield f"{word}: {before.leg(name).status} -> {after.leg(name).status}"
    if before.agent is not after.agent:
        yield f"Kai: {before.agent} -> {after.agent}"
    if before.faces.on is not after.faces.on and after.faces.on is not None:
        yield f"face that is on: {after.faces.on}"
    if before.problem != after.problem:
        yield "no problem any more" if after.problem is None else f"problem: {after.problem.code}"


def _details(value: object) -> str:
    """Return the plain fields of an event or a command in parentheses; a nested value appears by its field's name only."""
    if not is_dataclass(value):
        return f" ({value})"
    named = ((f.name, getattr(value, f.name)) for f in fields(value))
    parts = [
        _detail(name, part) for name, part in named if part not in ("", None, ()) and name not in _UNTOLD
    ]
    return f" ({', '.join(parts)})" if parts else ""


def _detail(name: str, part: object) -> str:
    words = name.replace("_", " ")
    match part:
        case bool():
            word = words.partition(" ")[2]
            return word if part else f"not {word}"
        case Enum():
            return str(part.value)
        case str() if name.endswith("_id"):
            return f"{words[:-3]} {part[-_ID_CHARS:]}"
        case str() if name in ("text", "heard_text", "message"):
            return f'"{part if len(part) <= _LONGEST else part[:_LONGEST] + "..."}"'
        case float():
            return f"{words} {part:.6g}"
        case str() | int():
            return f"{words} {part}"
        case _ if name == "timer":
            return f"{type(part).__name__}{_details(part)}"
        case _:
            return words


def main(argv: list[str] | None = None) -> int:
    """Print the report. Returns 2 if the file cannot be read."""
    parser = argparse.ArgumentParser(
        prog="python -m kai.replay", description=(__doc__ or "").split("\n\n")[0]
    )
    parser.add_argument("file", type=Path, help="a report that the Check page saved")
    given = parser.parse_args(argv)
    try:
        told = report.read(_text(given.file))
    except KaiError as exc:
        print(exc.message, file=sys.stderr)
        return 2
    print(" · ".join(f"{name} {version}" for name, version in told.versions.items()))
    words = "as they were said" if told.has_words else "hidden: each x is a word"
    print(f"{len(told.journal)} events; words {words}")
    try:
        for line in lines(told):
            print(line)
    except BrokenPipeError:
        return 0
    return 0


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as exc:
        raise ProtocolError(f"{path} cannot be read ({exc.strerror}).", code="bad_recording") from exc
    except UnicodeDecodeError as exc:
        raise ProtocolError(f"{path} is no text.", code="bad_recording") from exc


if __name__ == "__main__":
    sys.exit(main())
