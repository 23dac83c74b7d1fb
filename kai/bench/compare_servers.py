"""The two local servers exactly as they ship, with a note of what crosses them: ``-m kai.bench.compare_servers NAME NOTES``.

``realtime`` is ``python -m kai.engine``, ``liveavatar`` is ``python -m kai.engine.liveavatar``; further arguments are theirs.
The notes are taken where sound and commands leave or arrive, so that all compared clients are measured from the same place.
"""

# It wraps the servers' own methods to watch them.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import sys
from typing import Any

from kai.bench.compare_notes import Gate, Levels, Notes

EVENTS = ("input_audio_buffer.speech_started", "response.created")


def watch_realtime(note: Notes) -> None:
    """Note the first sound of each answer as it leaves, and the events that the clients answer to."""
    from kai.engine.call import Call
    from kai.engine.playout import CallPlayout
    from kai.engine.socket import SocketTransport

    def watch_events(transport: Any) -> None:
        send = transport.send

        def noting(self: Any, event: Any) -> None:
            if event.TYPE in EVENTS:
                note(event.TYPE)
            send(self, event)

        transport.send = noting

    watch_events(Call)
    watch_events(SocketTransport)
    speak = SocketTransport.speak
    sounded: set[str] = set()

    def noting_speak(self: Any, place: Any, clause: Any) -> None:
        if place.response_id not in sounded:
            sounded.add(place.response_id)
            note("brain_sounds")
        speak(self, place, clause)

    SocketTransport.speak = noting_speak
    pull = CallPlayout.pull

    def noting_pull(self: Any) -> Any:
        segment = self._segments[0] if self._segments else None
        is_first = segment is not None and not segment.played_samples and segment.queued_samples
        if is_first:
            note("brain_sounds")
        return pull(self)

    CallPlayout.pull = noting_pull


def watch_liveavatar(note: Notes) -> None:
    """Note the commands as they arrive, the avatar's sound as it leaves, and each 20 ms without the sound that is due."""
    from kai.compat.format import BLOCK_S, LIVE_HZ
    from kai.engine.liveavatar.session import LiteSession
    from kai.engine.liveavatar.stage import AvatarStage
    from kai.media import stamp

    hear = LiteSession._hear

    def noting_hear(self: Any, text: str) -> None:
        before = len(self.commands)
        hear(self, text)
        for command in self.commands[before:]:
            note(command)

    LiteSession._hear = noting_hear
    sound = AvatarStage._sound
    gates: dict[int, tuple[Gate, Levels]] = {}
    holes: dict[int, int] = {}

    def noting_sound(self: Any, index: int, moment: Any) -> None:
        at_s, voice = self.began_s + index * BLOCK_S, self._voice
        for watcher in gates.setdefault(id(self), (Gate(note, "stage"), Levels(note, "stage"))):
            watcher.push(moment.pcm, at_s, LIVE_HZ)
        if (new := voice.holes - holes.get(id(self), 0)) > 0:
            note("hole", count=new)
        holes[id(self)] = voice.holes
        sound(self, index, moment)

    AvatarStage._sound = noting_sound
    # The pictures' stamps are wanted; the clicks in the sound would be taken for speech.
    stamp.add_click = lambda block, at_s, rate_hz: None


def main() -> int:
    """Watch the server of that name, and run it."""
    name, notes, *rest = sys.argv[1:]
    note = Notes(notes, name)
    if name == "realtime":
        from kai.engine.__main__ import main as serve

        watch_realtime(note)
    else:
        from kai.engine.liveavatar.__main__ import main as serve

        watch_liveavatar(note)
    sys.argv = [name, *rest]
    return serve()


if __name__ == "__main__":
    sys.exit(main())
