"""Who may do what on the page: each role may do what the one before it may, and something more."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

# Where the door leaves who came in. On a person's own machine nobody stands there, and whoever has the address may all.
PERSON: Final = "vehiclevision.person"
# Where the door leaves which system came in, with a token of its own.
SYSTEM: Final = "vehiclevision.system"


class Role(IntEnum):
    """Whoever has one of these is in the group of that name, in small letters; what is for anybody needs no group."""

    ANYBODY = 0
    VIEWER = 1
    REVIEWER = 2
    OPERATOR = 3

    @property
    def group(self) -> str:
        """The group of those who have this role."""
        return self.name.lower()


@dataclass(frozen=True)
class Person:
    """Somebody who signed in."""

    name: str
    role: Role


def role_in(groups: object) -> Role:
    """The highest role among a token's groups; ANYBODY where there is none, whatever stands there."""
    named = set(groups) if isinstance(groups, list) and all(isinstance(each, str) for each in groups) else set()
    return max((role for role in Role if role.group in named and role is not Role.ANYBODY), default=Role.ANYBODY)
