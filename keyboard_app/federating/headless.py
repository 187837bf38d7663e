"""A keyboard without a window that belongs to a federation: `keyboard device`, for fleets and tests.

Its words are those of one user of a JSON Lines corpus, or those that its profile has recorded.
"""

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from data.corpus import JsonLines
from data.errors import DataError, UserFacingError
from data.generators import result_of
from federation.protocol.join_link import JoinLink
from keyboard_app.federating.client import FederationClient, UnreachableError, enrol
from keyboard_app.federating.membership import Membership
from keyboard_app.federating.participant import Participant
from keyboard_app.recording.user_profile import Profile
from model.device.folder import Model

_PATIENCE = (
    0.5,
    30.0,
)  # seconds before the first and the last of the attempts to reach a coordinator that does not answer


def corpus_messages(path: Path, user: str) -> Callable[[Model], list[list[int]]]:
    """What encodes a user's messages for a model.

    Raises:
      DataError: the file is no corpus, or the user is not in it.
    """
    corpus = JsonLines(path)
    if user not in corpus.users():
        raise DataError(f"{path} has no messages of the user {user!r}")
    return lambda model: [model.vocabulary.encode(text) for text in corpus.messages(user)]


def recorded_messages(profile: Profile) -> Callable[[Model], list[list[int]]]:
    """What encodes the messages that a profile has recorded for a model."""
    return lambda model: [model.vocabulary.encode(message.text) for message in profile.store.learnable()]


def join(membership: Membership, link: JoinLink) -> None:
    """Joins the federation of a link.

    Where no answer came, the coordinator may have agreed all the same: the same link then goes on with the same key.

    Raises:
      DataError: the keyboard belongs to one already, the link is not good, or nobody answers.
    """
    key = membership.begin_joining(link)
    try:
        certificate = enrol(link, key)
    except UnreachableError:
        raise
    except UserFacingError:
        membership.give_up()
        raise
    membership.join(link.url, certificate, key)


def leave(membership: Membership) -> str:
    """Leaves the federation, and forgets the key even if the coordinator does not answer; returns a line about it.

    Raises:
      DataError: the keyboard belongs to none.
    """
    joined = membership.joined
    if joined is None:
        raise DataError("this keyboard belongs to no federation")
    told = "left the federation"
    try:
        with FederationClient(joined.url, joined.certificate, joined.key) as client:
            client.leave()
    except UserFacingError as error:
        told = f"left the federation without its coordinator knowing: {error}"
    membership.leave()
    return told


def take_part(
    profile: Profile,
    membership: Membership,
    shipped: Path,
    messages: Callable[[Model], Sequence[Sequence[int]]],
    tell: Callable[[str], None],
) -> None:
    """Takes part in rounds until the process is ended, or the coordinator refuses this device.

    Raises:
      DataError: the keyboard belongs to no federation, or the coordinator refuses it.
    """
    joined = membership.joined
    if joined is None:
        raise DataError("this keyboard belongs to no federation: join one with --join LINK")
    if joined.leaving:
        raise DataError("this keyboard was told to leave its federation: end that with --leave")
    with FederationClient(joined.url, joined.certificate, joined.key) as client:
        participant = Participant(client, membership, profile.load_global(shipped), messages, profile.save_global)
        patience = _PATIENCE[0]
        while True:
            try:
                if line := result_of(participant.turn()):
                    tell(line)
                patience = _PATIENCE[0]
            except UnreachableError as error:
                tell(f"{error}; trying again in {patience:g} s")
                time.sleep(patience)
                patience = min(2 * patience, _PATIENCE[1])


def tell_on_standard_error(line: str) -> None:
    """A line for whoever watches."""
    sys.stderr.write(f"keyboard: {line}\n")
    sys.stderr.flush()
