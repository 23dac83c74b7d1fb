"""The state of the face at a moment: its speech, its mood, its feeling, and its small movements."""

from __future__ import annotations

import os
import time

import numpy as np

from kai.adapters.local_face import messages as m
from kai.adapters.local_face.speaking import Speaking
from kai.avatar import animate
from kai.avatar.animate import Mood
from kai.avatar.feeling import Emotion, Feeling
from kai.avatar.hearing import load_net
from kai.errors import ProtocolError

RESTS_AFTER_S = 5.0
"""The face rests when nobody has spoken for this long. A person may only be thinking, and should see that Kai waits."""


def at_rest() -> dict[str, float]:
    """Return the parameters of a face at rest."""
    _, params = animate.advance(animate.begin(1, 0.0), 0.04, Mood.IDLE)
    return params


class Acting:
    """Turns the app's messages into the parameters of a frame. Not thread-safe. Times are on the monotonic clock."""

    def __init__(self) -> None:
        self.began_s = time.monotonic()
        self._speaking = Speaking(load_net())
        self._life = animate.begin(int.from_bytes(os.urandom(4), "little"), 0.0)
        self._mood = Mood.IDLE
        self._rests_from_s = float("inf")

    def handle(self, message: m.Message) -> None:
        """Handle a message about sound, lips, feeling or mood. Raises `ProtocolError` for any other."""
        match message:
            case m.Speak():
                self._speaking.push_audio(message.segment, np.frombuffer(message.pcm, "<i2"))
            case m.Playing():
                self._speaking.playing(message.segment, message.sample, message.at_s)
            case m.Mark():
                self._speaking.mark(message.segment, message.visemes)
            case m.Feel():
                feeling = Feeling(Emotion(message.emotion), min(1.0, message.strength))
                self._speaking.feel(message.segment, message.sample, feeling)
            case m.EndSegment():
                self._speaking.end(message.segment)
            case m.StopSpeaking():
                now_s = time.monotonic()
                if self._speaking.mouth_at(now_s)[2]:
                    self._life = animate.interrupt(self._life, now_s - self.began_s)
                self._speaking.stop()
            case m.SetEmotion():
                feeling = Feeling(Emotion(message.emotion), min(1.0, message.strength))
                self._speaking.feel_at(time.monotonic(), feeling)
            case m.Rest():
                self._rests_from_s = time.monotonic() + RESTS_AFTER_S if message.is_resting else float("inf")
            case m.SetMood():
                self._mood = Mood(message.mood)
            case _:
                raise ProtocolError("The face was told something that it does not know. Restart Kai.")

    def is_resting(self, now_s: float) -> bool:
        """Return whether nobody has spoken for a while."""
        return now_s >= self._rests_from_s

    def advance(self, now_s: float, shown_s: float) -> dict[str, float]:
        """Return the parameters of the frame drawn now, with the mouth and the feeling of the moment when it is shown."""
        mouth, loudness, is_sounding = self._speaking.mouth_at(shown_s)
        mood = Mood.SPEAKING if is_sounding else self._mood
        feeling = self._speaking.feeling_at(shown_s)
        self._life, params = animate.advance(
            self._life,
            now_s - self.began_s,
            mood,
            mouth,
            loudness,
            feeling,
            is_resting=self.is_resting(now_s),
        )
        return params
