"""What hears, speaks and thinks when the best that there is cannot be had: the next rung of a ladder takes over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from kai.errors import WeightsError

T = TypeVar("T")


class Role(StrEnum):
    """The parts of an engine. ``second_recogniser`` is asked where the first is in doubt, ``ending`` in each pause: is the
    turn over?"""

    DETECTOR = "detector"
    RECOGNISER = "recogniser"
    SECOND_RECOGNISER = "second_recogniser"
    ENDING = "ending"
    VOICE = "voice"
    MIND = "mind"


@dataclass(frozen=True, slots=True)
class Part:
    """What plays a role now. ``problem`` is empty for the best one; else it says in words for a person what is different,
    why, and what to do."""

    role: Role
    name: str
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Rung(Generic[T]):
    """One way to play a role: its ``name``, how it is loaded (it may raise `WeightsError`), and ``notice``: what a person
    notices when it stands in for a better one."""

    name: str
    load: Callable[[], T]
    notice: str = ""


def climb(role: Role, rungs: Sequence[Rung[T]]) -> tuple[T, Part]:
    """The first of ``rungs`` that loads, and how to tell of it. Raises the first rung's `WeightsError` when none does.

    A package that is not installed, or lacks a file that it reads when it is imported, is a rung that does not load.
    """
    first: WeightsError | None = None
    for rung in rungs:
        try:
            found = rung.load()
        except WeightsError as error:
            first = first or error
        except (ImportError, OSError) as error:
            missing = getattr(error, "name", None) or getattr(error, "filename", None) or type(error).__name__
            first = first or WeightsError(
                f"A package is missing or damaged ({missing}). Run `make install` again.",
                code="package_missing",
            )
        else:
            problem = "" if first is None else f"{rung.notice} {first.message}"
            return found, Part(role, rung.name, problem)
    raise first or WeightsError(f"There is nothing that could be the {role}.")
