"""The order of users: by the SHA-256 of their ids, which is fixed and unrelated to who they are."""

import hashlib
from collections.abc import Mapping
from typing import TypeVar

T = TypeVar("T")


def digest(user: str) -> str:
    """Returns the SHA-256 of a user's id, in hexadecimal."""
    return hashlib.sha256(user.encode()).hexdigest()


def by_digest(items: Mapping[str, T]) -> dict[str, T]:
    """Returns the items in the order of the SHA-256 of their keys, which are users' ids."""
    return {user: items[user] for user in sorted(items, key=digest)}
