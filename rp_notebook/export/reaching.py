"""Which definitions of a name a read may see: the last one that is certain, and those since then that may have run."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

FEW = 16  # definitions of one name that may have run, of which each is looked at on its own


@dataclass(frozen=True)
class Reached:
    """The definitions that a name may have at a place: the first `count` of a `run`, which only its first may cut off.

    `unnamed` are statements that may bind any name, `deleted` is where it was deleted instead. As many reads see the
    same run, nothing that is done for each of them should go through all of it.
    """

    run: Sequence[int] = ()
    count: int = 0
    unnamed: tuple[int, ...] = ()
    deleted: int | None = None

    @property
    def positions(self) -> tuple[int, ...]:
        """All of them, the latest first."""
        return (*reversed(self.run[: self.count]), *self.unnamed)

    @property
    def certain(self) -> bool:
        """Whether one of them is of this name."""
        return self.count > 0

    def __bool__(self) -> bool:
        return self.count > 0 or bool(self.unnamed)

    def latest(self) -> Iterator[int]:
        """The latest first, one by one."""
        for at in range(self.count - 1, -1, -1):
            yield self.run[at]

    @property
    def few(self) -> tuple[int, ...]:
        """Those that stand for all of them: where there are many they share what they are bound to."""
        return self.positions if len(self.run) <= FEW else (self.run[0], *self.unnamed)


@dataclass(frozen=True)
class _Behind:
    run: list[int] = field(default_factory=list)
    count: int = 0
    certain: int = -1  # where the one is that hides those before it
    deleted: int | None = None


@dataclass
class _Known:
    """The bindings of one name, and the definitions that are there behind each."""

    places: list[int] = field(default_factory=list)
    behind: list[_Behind] = field(default_factory=list)


class Reaching:
    """Looks definitions up by name and place. They are added in the order in which they ran."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}
        self._unnamed: list[int] = []

    def add(self, name: str, place: int, kind: str, *, goes_on: bool = False) -> None:
        """Adds a binding: "def", "may" or "del"; one that `goes_on` leaves those before it."""
        known = self._known.setdefault(name, _Known())
        before = known.behind[-1] if known.behind else _Behind()
        known.places.append(place)
        if kind == "del":
            known.behind.append(_Behind(deleted=place))
        elif kind == "def" and not goes_on:
            known.behind.append(_Behind([place], 1, place))
        else:
            before.run.append(place)
            known.behind.append(replace(before, count=before.count + 1))

    def add_unnamed(self, place: int) -> None:
        """Adds a statement that may bind any name."""
        self._unnamed.append(place)

    def reach(self, name: str, position: int) -> Reached:
        """What a read just before `position` may see."""
        known = self._known.get(name)
        at = bisect_left(known.places, position) if known is not None else 0
        if known is None or not at:
            return Reached(unnamed=self._between(-1, position))
        found = known.behind[at - 1]
        unnamed = self._between(found.certain, position) if found.deleted is None else ()
        return Reached(found.run, found.count, unnamed, found.deleted)

    def _between(self, after: int, position: int) -> tuple[int, ...]:
        return tuple(place for place in self._unnamed if after < place < position) if self._unnamed else ()

    def long_runs(self) -> Iterable[tuple[str, Sequence[int]]]:
        """The names with many definitions that may have run one behind the other, with those."""
        for name, known in self._known.items():
            for run in {id(each.run): each.run for each in known.behind}.values():
                if len(run) > FEW:
                    yield name, run
