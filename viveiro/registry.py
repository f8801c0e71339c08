"""One way to register tasks, engines and job kinds by name.

Whatever is registered is tested by name, so a new file gets its tests for nothing.
"""

from collections.abc import Callable, Iterator
from difflib import get_close_matches
from typing import Generic, TypeVar

from viveiro.errors import InvalidInput
from viveiro.locale import Sentence

T = TypeVar("T")


class Registry(Generic[T]):
    """Names in order of registration. An unknown name raises InvalidInput with the nearest known one."""

    def __init__(self, noun: str) -> None:
        self.noun = noun
        self._entries: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        def add(entry: T) -> T:
            if name in self._entries and self._entries[name] is not entry:
                raise ValueError(f"Two entries claim the {self.noun} name {name!r}.")
            self._entries[name] = entry
            return entry

        return add

    def __getitem__(self, name: str) -> T:
        try:
            return self._entries[name]
        except KeyError:
            near = get_close_matches(name, self._entries, n=1)
            if near:
                raise InvalidInput(
                    "No {noun} is called {name!r}. Did you mean {near!r}?",
                    noun=Sentence(self.noun),
                    name=name,
                    near=near[0],
                ) from None
            raise InvalidInput(
                "No {noun} is called {name!r}. Known: {known}.",
                noun=Sentence(self.noun),
                name=name,
                known=", ".join(self._entries),
            ) from None

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)
