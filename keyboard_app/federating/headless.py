"""A keyboard without a window that takes part in a federation: `keyboard device`, for fleets and tests.

It learns from the messages of one user of a JSON Lines corpus, or from those that its profile has recorded.
"""

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from data.corpus import JsonLines
from data.errors import DataError, UserFacingError
from data.generators import result_of
from federation.protocol import api_messages
from federation.protocol.join_link import JoinLink
from keyboard_app.federating.client import FederationClient, RefusedError, UnreachableError, enrol
from keyboard_app.federating.membership import Membership
from keyboard_app.federating.participant import Participant, ask_for_outcomes
from keyboard_app.federating.word_offers import WordSource, recorded_words, shares_words
from keyboard_app.learning.background import reason
from keyboard_app.recording.user_profile import Profile
from model.device.folder import Model

# Seconds between attempts to reach a coordinator that does not answer. The pause doubles until it reaches the second value.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
# Seconds between two check-ins outside of rounds at least: a coordinator that answers at once must not keep the machine busy.
_LEAST_PAUSE = 0.1
# Seconds between two looks for a newer model, while the person has not said yes to the newest or no program of the app fits it.
_KEPT_OUT_PAUSE = 10.0


def corpus_messages(path: Path, user: str) -> Callable[[Model], list[list[int]]]:
    """Returns a function that encodes a user's messages for a model.

    Raises:
      DataError: the file is not a corpus, or the user is not in it.
    """
    corpus = JsonLines(path)
    if user not in corpus.users():
        raise DataError(f"{path} has no messages of the user {user!r}")
    return lambda model: [model.vocabulary.encode(text) for text in corpus.messages(user)]


def words_of(profile: Profile, corpus: Path | None = None, user: str = "") -> WordSource:
    """Returns the words that word discoveries may take: of a profile's recorded messages, or of a user of a corpus."""

    def shares() -> bool:
        return shares_words(profile.settings)

    if corpus is None:
        return recorded_words(profile.store, shares)
    return WordSource(shares, lambda: list(JsonLines(corpus).messages(user)))


def recorded_messages(profile: Profile) -> Callable[[Model], list[list[int]]]:
    """Returns a function that encodes a profile's recorded messages for a model; none if the person does not want to take part."""

    def encoded(model: Model) -> list[list[int]]:
        if profile.settings.consent is False or not profile.settings.take_part:
            return []
        return [model.vocabulary.encode(message.text) for message in profile.store.learnable()]

    return encoded


def join(membership: Membership, link: JoinLink) -> None:
    """Joins the federation of a link.

    If no answer arrives, the coordinator may still have accepted the device. Joining again with the same link uses the same key.

    Raises:
      DataError: the keyboard belongs to a federation already, or the link's certificate is not the coordinator's.
      RefusedError: the link's code is not valid.
      UnreachableError: the coordinator does not answer.
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
    """Leaves the federation, and deletes the key even if the coordinator does not answer; returns a line for people.

    Raises:
      DataError: the keyboard belongs to no federation.
    """
    joined = membership.joined
    if joined is None:
        raise DataError("this keyboard belongs to no federation")
    line = "left the federation"
    try:
        with FederationClient(joined.url, joined.certificate, joined.key) as client:
            ask_for_outcomes(client, membership, joined.url)  # not possible afterwards
            client.leave()
    except RefusedError as error:
        line += ", which had removed this keyboard" if error.status == api_messages.REMOVED else f": {error}"
    except UserFacingError as error:
        line = f"left the federation, but its coordinator could not be told: {error}"
    membership.leave()
    return line


def answer(membership: Membership, yes: bool) -> str:
    """Answers the questions to the person about models of the federation; returns a line for people.

    Raises:
      DataError: the keyboard belongs to no federation, or has no question.
    """
    history = membership.history()
    questions = history.questions()
    if not questions:
        raise DataError("this keyboard has no question about its federation: start it without --answer")
    for question in questions:
        history.answer(question, yes)
    return f"you said {'yes' if yes else 'no'}: this keyboard {'takes part' if yes else 'waits for a newer model'}"


def take_part(
    profile: Profile,
    membership: Membership,
    shipped: Path,
    messages: Callable[[Model], Sequence[Sequence[int]]],
    tell: Callable[[str], None],
    words: WordSource | None = None,
) -> None:
    """Takes part in rounds until the process ends or the coordinator refuses this device.

    Args:
      profile: holds the newest global model.
      membership: the membership of the federation.
      shipped: the model folder to start with if the profile has no global model.
      messages: returns the messages to learn from, encoded for a model.
      tell: receives a line for people about each event.
      words: the person's words, for word discoveries; None to take part in none.

    Raises:
      DataError: the keyboard belongs to no federation, or is leaving it.
      RefusedError: the coordinator refuses this device.
    """
    joined = membership.joined
    if joined is None:
        raise DataError("this keyboard belongs to no federation: join one with --join LINK")
    if joined.leaving:
        raise DataError("this keyboard is leaving its federation: finish leaving with --leave")
    with FederationClient(joined.url, joined.certificate, joined.key) as client:
        model = profile.load_global(shipped)
        participant = Participant(client, membership, model, messages, profile.save_global, words=words)
        pause, told = _FIRST_PAUSE, ""
        while True:
            try:
                asked = participant.question
                if line := result_of(participant.turn()):
                    tell(line)
                question = participant.question
                if participant.note != told and (told := participant.note):
                    tell(told)
                if question is not None:
                    if question != asked:
                        if str(question) not in line:
                            tell(str(question))
                        tell("to answer, stop this keyboard and start it again with --answer yes or --answer no")
                    time.sleep(_KEPT_OUT_PAUSE)
                elif participant.outdated:
                    time.sleep(_KEPT_OUT_PAUSE)
                elif not participant.busy:
                    time.sleep(max(participant.pause, _LEAST_PAUSE))
                pause = _FIRST_PAUSE
            except RefusedError:
                raise
            except (
                UserFacingError,
                OSError,
            ) as error:  # it cannot be reached, its answer is not valid, or the disk is full
                if not participant.busy:
                    # The coordinator's latest wish still holds: if it has many devices, they must not all be there as soon as it
                    # answers again.
                    pause = max(pause, participant.pause)
                tell(f"{reason(error)} (trying again in {round(pause, 1):g} {'second' if pause == 1 else 'seconds'})")
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)


def tell_on_standard_error(line: str) -> None:
    """Writes a line to standard error."""
    sys.stderr.write(f"keyboard: {line}\n")
    sys.stderr.flush()
