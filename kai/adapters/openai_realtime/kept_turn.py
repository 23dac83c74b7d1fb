"""A spoken turn that was sent to a service and never answered: kept for the next brain of the same talk.

A push-to-talk channel has been seen to die after some turns: the person's words are sent and committed, and nothing comes
back, not even that they arrived. The call is given up then, and the talk reconnects. What was typed is sent again by the
policy, since its words are known; of a spoken turn there is only the sound. So a brain keeps the sound of the turn that it
commits until the service says something. A brain that gives up leaves the sound here, and the talk's next one says it again,
at the pace of speech, as the microphone would: that way works on every transport.
"""

from __future__ import annotations

from collections import deque

from kai.compat.format import BLOCK_S, Pcm

LONGEST_S = 60.0


class KeptTurn:
    """One a talk, shared by its brains, one after the other. Kai's loop only."""

    def __init__(self) -> None:
        self._blocks: tuple[Pcm, ...] = ()

    def leave(self, blocks: tuple[Pcm, ...]) -> None:
        """Leave a turn that nobody answered: blocks of 20 ms, ``(960,)`` int16, 48 000 Hz."""
        self._blocks = blocks

    def take(self) -> tuple[Pcm, ...]:
        """The turn that was left, once; empty where none was."""
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
        """Whether an earlier turn is being said again. What the person says meanwhile, with the key held, belongs to it."""
        return self._left is not None

    @property
    def is_said(self) -> bool:
        """Whether nothing is left to be said again, and nothing more is coming."""
        return not self._left and not self.is_held

    def begin(self) -> None:
        """A turn begins."""
        self._blocks.clear()
        self.is_open = True

    def begin_again(self) -> bool:
        """Begin the turn that was left to us; whether there was one."""
        blocks = self._kept.take()
        if not blocks:
            return False
        self.begin()
        self._blocks.extend(blocks)
        self._left = deque(blocks)
        return True

    def takes(self, pcm: Pcm) -> bool:
        """A block of the microphone came; whether it is to be sent now."""
        if self._left is None:
            if self.is_open:
                self._blocks.append(pcm)
            return True
        if self.is_held:
            self._blocks.append(pcm)
            self._left.append(pcm)
        return False

    def next_block(self) -> Pcm | None:
        """The next block that is to be said again; ``None`` while the person has not said it yet."""
        return self._left.popleft() if self._left else None

    def end_again(self) -> None:
        """All of it was said again."""
        self._left = None

    def leave(self) -> None:
        """The call is over. A turn that was not answered is left for the next one."""
        if self.is_unanswered:
            self._kept.leave(tuple(self._blocks))
