"""A talk without a world: feeds events to the reducer and keeps what it asks for."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from kai.core.events import (
    AssistantTranscriptChanged,
    AudioStarted,
    AudioStopped,
    CloudLost,
    CloudOpened,
    Command,
    Event,
    LegConnected,
    PlayoutStarted,
    ResponseCreated,
    ResponseDone,
    StartRequested,
)
from kai.core.reducer import step
from kai.core.state import LIMIT_S, Face, Faces, LegName, Look, Message, Next, SessionState, Standby

WALL_S = 1_800_000_000.0
START = StartRequested(WALL_S, Look())


@dataclass
class Talk:
    """``do`` feeds events, 10 ms apart, and returns the commands that they brought."""

    state: SessionState = field(default_factory=SessionState)
    at_s: float = 100.0

    def do(self, *events: Event) -> tuple[Command, ...]:
        commands: tuple[Command, ...] = ()
        for event in events:
            self.at_s += 0.01
            self.state, more = step(self.state, event, self.at_s)
            commands += more
        return commands

    def wait(self, seconds: float) -> None:
        self.at_s += seconds

    @property
    def lines(self) -> list[str]:
        return [message.text for message in self.state.messages]

    def line(self, message_id: str) -> Message:
        (found,) = (message for message in self.state.messages if message.id == message_id)
        return found


def started() -> Talk:
    """Start was pressed; every leg is being opened."""
    talk = Talk()
    talk.do(START)
    return talk


def talking() -> Talk:
    """Every leg is up, for long enough to be steady."""
    talk = started()
    talk.do(*(LegConnected(leg) for leg in LegName))
    talk.wait(60)
    return talk


def show_avatar(talk: Talk, limit_s: float = LIMIT_S) -> None:
    """A paid face takes the place of the one of this computer; it may stay so long."""
    faces = Faces(
        True, Face.LOCAL, Next.OPENING, Standby.READY, limit_s=limit_s, limit_at_s=talk.at_s + 0.01 + limit_s
    )
    talk.state = replace(talk.state, cloud_limit_s=limit_s, faces=faces)
    talk.do(CloudOpened(None))


def lose_avatar(talk: Talk) -> None:
    """The face of this computer stands in for the paid one."""
    talk.do(CloudLost("avatar-lost", "The avatar was lost.", is_retryable=False))


def speaking(response_id: str = "r1", text: str = "I am Kai.") -> Talk:
    """Kai says ``text``: the brain is making it and sending it, the person hears it."""
    talk = talking()
    talk.do(
        ResponseCreated(response_id),
        AssistantTranscriptChanged(response_id, f"{response_id}-item", text, is_final=False),
        AudioStarted(response_id),
        PlayoutStarted(response_id),
    )
    return talk


def saying_last_words(response_id: str = "r1") -> Talk:
    """The brain is done with an answer and has sent it to its end; the face still has some of it to say."""
    talk = speaking(response_id)
    talk.do(ResponseDone(response_id, "completed"), AudioStopped(response_id))
    return talk
