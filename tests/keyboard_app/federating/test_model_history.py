"""Which models a keyboard accepts by itself, by a plain list of what it did, also after kills and upgrades."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import DataError
from keyboard_app.federating.membership import FILE, Membership
from keyboard_app.federating.model_history import AGAIN, NO, OLDER, UPDATES_PER_MODEL, YES, NotAllowedError
from keyboard_app.recording.vault import Vault

VAULT = Vault(bytes(32))
URL = "https://keyboards.example.org:8443"
FIRST, SECOND = "a certificate", "another certificate"


@pytest.fixture
def membership(tmp_path: Path) -> Iterator[Membership]:
    with Membership.open(tmp_path, VAULT) as membership:
        membership.join(URL, FIRST, Ed25519PrivateKey.generate())
        yield membership


def may(membership: Membership, model: str, number: int) -> str:
    """Returns the kind of question that keeps the keyboard from a model, or nothing."""
    try:
        membership.history().check(model, number)
    except NotAllowedError as error:
        return error.question.kind
    return ""


steps = st.lists(
    st.tuples(
        st.sampled_from("abc"), st.integers(0, 4), st.sampled_from(["ask", "give", "give", "yes", "no", "restart"])
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(steps)
def test_a_keyboard_follows_the_rules_whatever_the_coordinator_offers(taken: list[tuple[str, int, str]]) -> None:
    """The expectation is a list of what was accepted and a count of what was given."""
    connection_file = ":memory:"
    membership = Membership(connected(connection_file), VAULT)
    membership.join(URL, FIRST, Ed25519PrivateKey.generate())
    accepted: list[tuple[str, int]] = []
    given_on: dict[str, int] = {}
    answers: dict[tuple[str, str], str] = {}
    names = iter(range(100))
    for model, number, action in taken:
        newest = accepted[-1] if accepted else (model, -1)
        older = model != newest[0] and (number <= newest[1] or model in dict(accepted))
        again = given_on.get(model, 0) >= UPDATES_PER_MODEL
        kinds = [kind for kind, arises in ((OLDER, older), (AGAIN, again)) if arises]
        expected = next((kind for kind in kinds if answers.get((kind, model)) != YES), "")
        assert may(membership, model, number) == expected
        if expected:
            answers.setdefault((expected, model), "")
        if action in ("yes", "no"):
            for question in membership.history().questions():
                if question.model == model:
                    membership.history().answer(question, action == "yes")
                    answers[question.kind, model] = YES if action == "yes" else NO
        if action == "give" and not expected:
            membership.history().accept(model, number)
            if not (accepted and accepted[-1][0] == model and number <= accepted[-1][1]):
                accepted = [*(one for one in accepted if one[0] != model), (model, number)]
                answers = {key: answer for key, answer in answers.items() if key[1] == model}
            membership.sent(URL, f"{next(names)}", model, 1, 2, clipped=False)
            given_on[model] = given_on.get(model, 0) + 1
        elif action == "give" and again and not older:
            with pytest.raises(DataError):
                membership.sent(URL, f"{next(names)}", model, 1, 2, clipped=False)
    membership.close()


def connected(path: str) -> sqlite3.Connection:
    from keyboard_app.federating import membership_schema

    return membership_schema.connect(Path(path), VAULT)


def test_a_keyboard_that_leaves_and_joins_again_remembers_and_another_federation_is_another_matter(
    membership: Membership,
) -> None:
    history = membership.history()
    history.accept("b", 2)
    for name in "123":
        membership.sent(URL, name, "b", 1, 2, clipped=False)
    membership.leave()
    membership.join(URL, FIRST, Ed25519PrivateKey.generate())
    assert (may(membership, "a", 1), may(membership, "b", 2), may(membership, "c", 3)) == (OLDER, AGAIN, "")
    membership.leave()
    membership.join(URL, SECOND, Ed25519PrivateKey.generate())
    assert may(membership, "a", 1) == "" and membership.history().questions() == []
    assert may(membership, "b", 2) == AGAIN, "an update on the same weights is one more, whoever asks for it"


def test_the_weights_accepted_last_stay_of_their_round(membership: Membership) -> None:
    """Else a coordinator could name an earlier round for them, after which older models would be newer."""
    membership.history().accept("a", 5)
    membership.history().accept("a", 0)
    assert may(membership, "b", 3) == OLDER


def test_a_yes_to_an_older_model_ends_with_the_next_one(membership: Membership) -> None:
    history = membership.history()
    history.accept("a", 1)
    history.accept("b", 2)
    with pytest.raises(NotAllowedError, match="an older model, of round 1 after 2: this keyboard does not go back"):
        history.accept("a", 1)
    (question,) = history.questions()
    history.answer(question, yes=True)
    history.accept("a", 1)
    history.accept("c", 2)
    assert may(membership, "a", 1) == OLDER


KILL_AT_EACH = """if True:
    import sys
    from pathlib import Path
    from keyboard_app.federating.membership import Membership
    from keyboard_app.federating.model_history import NotAllowedError
    from keyboard_app.recording.vault import Vault
    from tests.keyboard_app.killed import killed_at_each_statement

    def give(membership, tell):
        membership.history().accept("b", 2)
        membership.sent("https://keyboards.example.org:8443", "round", "b", 1, 2, clipped=False)
        tell()  # the masked input leaves the device

    kills = 0
    for kill in killed_at_each_statement(Path(sys.argv[1]), lambda f: Membership.open(f, Vault(bytes(32))), give):
        kills += kill.killed
        with Membership.open(kill.folder, Vault(bytes(32))) as membership:
            history = membership.history()
            assert history.updates("b") >= kill.told
            if history.updates("b"):
                try:
                    history.check("a", 1)
                except NotAllowedError:
                    pass
                else:
                    raise AssertionError(f"forgotten: {kill}")
    print(kills)
"""


def test_what_a_keyboard_has_given_is_recorded_before_it_leaves_the_device(
    tmp_path: Path, membership: Membership
) -> None:
    membership.history().accept("a", 1)
    membership.close()
    command = [sys.executable, "-c", KILL_AT_EACH, str(tmp_path / FILE)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert int(done.stdout) > 8


def test_the_file_of_version_2_is_upgraded_with_the_models_of_its_updates(
    tmp_path: Path, membership: Membership
) -> None:
    elsewhere = "https://elsewhere:1"
    for name, url in (("1", URL), ("2", URL), ("3", URL), ("4", elsewhere)):
        membership.sent(url, name, "b" if name == "3" else "a", 1, 2, clipped=False)
    membership.record_outcome(URL, "1", "counted")
    membership.close()
    with closing(sqlite3.connect(tmp_path / FILE)) as db:
        db.executescript("DROP TABLE met; DROP TABLE questions; DELETE FROM marks WHERE name = 'version';")
        db.execute("PRAGMA user_version = 2")
    with Membership.open(tmp_path, VAULT) as upgraded:
        assert (may(upgraded, "a", 7), may(upgraded, "b", 7), may(upgraded, "c", 0)) == (OLDER, "", "")
        assert [one.outcome for one in upgraded.shared()] == ["counted", "sent", "sent", "unknown"]
        assert upgraded.history().updates("a") == 3
