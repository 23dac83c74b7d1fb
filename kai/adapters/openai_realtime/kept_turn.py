"""A spoken turn that a service never answered, kept for the next brain of the same talk.

A push-to-talk channel was seen to die after some turns: the person's words are sent and committed, and nothing comes back,
not even a confirmation. Kai then gives up the call, and the talk reconnects. The policy sends typed lines again, since their
text is known, but of a spoken turn there is only the sound. So a brain keeps the sound of the turn that it commits until the
service sends an event. A brain that gives up leaves the sound here, and the talk's next brain replays it at the pace of
speech, as the microphone would, which works on every transport.
"""

from __future__ import annotations

from collections import deque

from kai.compat.format import BLOCK_S, Pcm

LONGEST_S = 60.0


class KeptTurn:
    """The unanswered turn of one talk, handed from one of its brains to the next. Kai's loop only."""

    def __init__(self) -> None:
        self._blocks: tuple[Pcm, ...] = ()

    def leave(self, blocks: tuple[Pcm, ...]) -> None:
        """Leave an unanswered turn: blocks of 20 ms, ``(960,)`` int16, 48 000 Hz."""
        self._blocks = blocks

    def take(self) -> tuple[Pcm, ...]:
        """Return the turn that was left, and clear it; empty if none was left."""
        blocks, self._blocks = self._blocks, ()
        return blocks


class SpokenTurn:
    """The turns of a push-to-talk key in one call, and the newest `LONGEST_S` of the sound of the last one.

    ``is_open``: the microphone is let through; ``is_held``: the person holds the key; ``is_unanswered``: the last turn was
    committed, and the service has said nothing since.
    """

    def __init__(self, kept: KeptTurn) -> None:
        self._kept = kept
        self._blocks: deque[Pcm] = deque(maxlen=round(LONGEST_S / BLOCK_S))
        self._left: deque[Pcm] | None = None
        self.is_open = False
        self.is_held = False
        self.is_unanswered = False

    @property
    def is_repeated(self) -> bool:
        """True while an earlier turn is replayed. What the person says meanwhile with the key held is added to that turn."""
        return self._left is not None

    @property
    def is_said(self) -> bool:
        """True when nothing is left to replay and the person adds nothing more."""
        return not self._left and not self.is_held

    def begin(self) -> None:
        """Begin a turn."""
        self._blocks.clear()
        self.is_open = True

    def begin_again(self) -> bool:
        """Begin to replay the turn that was left to this brain; return whether there was one."""
        blocks = self._kept.take()
        if not blocks:
            return False
        self.begin()
        self._blocks.extend(blocks)
        self._left = deque(blocks)
        return True

    def takes(self, pcm: Pcm) -> bool:
        """Take a block of the microphone; return whether to send it now."""
        if self._left is None:
            if self.is_open:
                self._blocks.append(pcm)
            return True
        if self.is_held:
            self._blocks.append(pcm)
            self._left.append(pcm)
        return False

    def next_block(self) -> Pcm | None:
        """Return the next block to replay; ``None`` while the person has not said more."""
        return self._left.popleft() if self._left else None

    def end_again(self) -> None:
        """End the replay."""
        self._left = None

    def leave(self) -> None:
        """End the call: leave an unanswered turn for the next brain."""
        if self.is_unanswered:
            self._kept.leave(tuple(self._blocks))
