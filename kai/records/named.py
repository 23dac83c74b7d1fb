"""Lists of named things that a person keeps: presets, personas, styles. Each list is one small file."""

from __future__ import annotations

from typing import Any, ClassVar, Final, Generic, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from kai.errors import KaiError

MOST: Final = 50
NAME_LIMIT_CHARS: Final = 40


class NamedError(KaiError):
    """A thing cannot be taken or kept. The code says why: ``no-name``, ``too-many``, ``not-a-preset``, ``too-large``."""

    code = "no-name"


class Named(BaseModel):
    """One thing under a name. What it holds is ``value``; ``of`` makes one of such a value."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str = Field(min_length=1, max_length=NAME_LIMIT_CHARS)

    @property
    def value(self) -> Any:
        """What is kept under the name. Raises ``KaiError`` where it makes no sense any more."""
        raise NotImplementedError

    @classmethod
    def of(cls, name: str, value: Any) -> Self:
        """That value under that name."""
        raise NotImplementedError


N = TypeVar("N", bound=Named)


class NamedList(BaseModel, Generic[N]):
    """Every one, oldest first; names are different. The subclasses say what is listed, and by which name a file has it."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    WORD: ClassVar[str]
    KIND: ClassVar[type[Named]]

    entries: tuple[N, ...] = ()

    def named(self, name: str) -> N | None:
        """The one of that name."""
        return next((one for one in self.entries if one.name == name), None)

    def with_one(self, name: str, value: Any) -> Self:
        """With that value under that name, new or changed. Raises ``NamedError``."""
        one = self.KIND.of(tidy(name, self.WORD), value)
        if self.named(one.name) is not None:
            changed = tuple(one if other.name == one.name else other for other in self.entries)
            return type(self)(entries=changed)  # pyright: ignore[reportArgumentType]
        if len(self.entries) >= MOST:
            raise NamedError(f"There are too many {self.WORD}s. Delete one first.", code="too-many")
        return type(self)(entries=(*self.entries, one))  # pyright: ignore[reportArgumentType]

    def without(self, name: str) -> Self:
        """Without the one of that name."""
        return type(self)(entries=tuple(one for one in self.entries if one.name != name))

    def free_name(self, name: str) -> str:
        """A name like that one which none has yet: ``Brief 2``."""
        stem = name[: NAME_LIMIT_CHARS - 3].strip()
        return next((free for n in range(2, MOST + 3) if self.named(free := f"{stem} {n}") is None), stem)


def tidy(name: str, word: str) -> str:
    """The name as it is kept. Raises ``NamedError`` of one with nothing in it; ``word`` is what it should name."""
    name = " ".join(name.split())[:NAME_LIMIT_CHARS].strip()
    if not name:
        raise NamedError(f"A {word} needs a name.")
    return name
