"""Lists of named entries that a person keeps: presets, personas and styles. Each list is one small file."""

from __future__ import annotations

from typing import Any, ClassVar, Final, Generic, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from kai.errors import KaiError

MOST: Final = 50
NAME_LIMIT_CHARS: Final = 40


class NamedError(KaiError):
    """An entry cannot be read or kept. The code says why: ``no-name``, ``too-many``, ``not-a-preset``, ``too-large``."""

    code = "no-name"


class Named(BaseModel):
    """One entry under a name. ``value`` is its content, and ``of`` makes an entry from such a value."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str = Field(min_length=1, max_length=NAME_LIMIT_CHARS)

    @property
    def value(self) -> Any:
        """The content under the name. Raises ``KaiError`` if it is no longer valid."""
        raise NotImplementedError

    @classmethod
    def of(cls, name: str, value: Any) -> Self:
        """Make an entry of that name with that value."""
        raise NotImplementedError


N = TypeVar("N", bound=Named)


class NamedList(BaseModel, Generic[N]):
    """A list of entries with distinct names, oldest first. Subclasses define the kind of entry and its name in the file."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    WORD: ClassVar[str]
    KIND: ClassVar[type[Named]]

    entries: tuple[N, ...] = ()

    def named(self, name: str) -> N | None:
        """Return the entry of that name, if there is one."""
        return next((one for one in self.entries if one.name == name), None)

    def with_one(self, name: str, value: Any) -> Self:
        """Return the list with that value under that name, added or replaced. Raises ``NamedError``."""
        one = self.KIND.of(tidy(name, self.WORD), value)
        if self.named(one.name) is not None:
            changed = tuple(one if other.name == one.name else other for other in self.entries)
            return type(self)(entries=changed)  # pyright: ignore[reportArgumentType]
        if len(self.entries) >= MOST:
            raise NamedError(f"There are too many {self.WORD}s. Delete one first.", code="too-many")
        return type(self)(entries=(*self.entries, one))  # pyright: ignore[reportArgumentType]

    def without(self, name: str) -> Self:
        """Return the list without the entry of that name."""
        return type(self)(entries=tuple(one for one in self.entries if one.name != name))

    def free_name(self, name: str) -> str:
        """Return an unused name similar to ``name``, such as ``Brief 2``."""
        stem = name[: NAME_LIMIT_CHARS - 3].strip()
        return next((free for n in range(2, MOST + 3) if self.named(free := f"{stem} {n}") is None), stem)


def tidy(name: str, word: str) -> str:
    """Return the name as it is kept. Raises ``NamedError`` if it is empty; ``word`` says what the name is for."""
    name = " ".join(name.split())[:NAME_LIMIT_CHARS].strip()
    if not name:
        raise NamedError(f"A {word} needs a name.")
    return name
