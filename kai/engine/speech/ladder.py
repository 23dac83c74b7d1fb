"""Fallbacks for the models: if the best one for a role cannot be loaded, the next rung of its ladder takes over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from kai.errors import WeightsError

T = TypeVar("T")


class PartRole(StrEnum):
    """The roles of the engine's parts.

    ``second_recogniser`` is asked where the first one is in doubt; ``ending`` judges in each pause whether the turn is over.
    """

    DETECTOR = "detector"
    RECOGNISER = "recogniser"
    SECOND_RECOGNISER = "second_recogniser"
    ENDING = "ending"
    VOICE = "voice"
    MIND = "mind"


@dataclass(frozen=True, slots=True)
class EnginePart:
    """The part that plays a role.

    ``problem`` is empty for the best part; else it tells a person what is different, why, and what to do.
    """

    role: PartRole
    name: str
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Rung(Generic[T]):
    """One candidate for a role: its ``name``, and how it is loaded, which may raise `WeightsError`.

    ``notice`` tells a person the difference from the best candidate.
    """

    name: str
    load: Callable[[], T]
    notice: str = ""


def climb(role: PartRole, rungs: Sequence[Rung[T]]) -> tuple[T, EnginePart]:
    """Return the first of ``rungs`` that loads, with its `EnginePart`. Raises the first one's `WeightsError` if none loads.

    A rung whose package is not installed, or lacks a file that it reads on import, does not load.
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
            return found, EnginePart(role, rung.name, problem)
    raise first or WeightsError(f"There is nothing that could be the {role}.")
