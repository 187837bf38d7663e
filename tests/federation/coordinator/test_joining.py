"""Join links, signed requests, the certificate, and the settings that a federation keeps."""

import hashlib
import json
import ssl
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from data.errors import DataError
from federation.aggregation.privacy import Privacy
from federation.aggregation.sum_settings import SumSettings
from federation.coordinator.coordinator import Coordinator
from federation.coordinator.federation_settings import FederationSettings
from federation.coordinator.secure_sum import SecureSummation
from federation.coordinator.web.certificate import certificate
from federation.protocol.api_messages import REST, CheckIn
from federation.protocol.join_link import JoinLink
from federation.protocol.signed_requests import SignedHeaders, check, sign
from model.device.learning.finetuning import FineTuning

KEY = Ed25519PrivateKey.generate()
HEX = st.text("0123456789abcdef", min_size=64, max_size=64)
CODES = st.text("abcXYZ019-_", min_size=8, max_size=64)


@given(
    st.one_of(st.just("127.0.0.1"), st.just("::1"), st.from_regex(r"[a-z]{1,20}\.example", fullmatch=True)),
    st.integers(1, 65535),
    CODES,
    HEX,
)
def test_a_link_is_read_as_it_was_written(host: str, port: int, code: str, sha256: str) -> None:
    link = JoinLink(host, port, code, sha256)
    assert JoinLink.parse(f" {link}\n") == link
    assert link.url.startswith("https://") and link.url.endswith(f":{port}")


@given(st.text(), CODES, HEX)
def test_what_is_no_link_is_refused(text: str, code: str, sha256: str) -> None:
    link = str(JoinLink("127.0.0.1", 8470, code, sha256))
    for bad in (text, link[:-1], link.replace("federated-keyboard", "https"), link.replace(":8470", ""), link + "0"):
        with pytest.raises(DataError):
            JoinLink.parse(bad)


@given(st.binary(max_size=50), st.integers(0, 2**63 - 1), st.integers(0, 300))
def test_a_signature_holds_for_one_request_alone(body: bytes, number: int, place: int) -> None:
    headers = sign(KEY, "ab" * 16, number, "POST", "/v1/check-in?wait=1", body)
    assert SignedHeaders.from_headers(headers.to_headers()) == headers
    check(headers, "POST", "/v1/check-in?wait=1")
    assert headers.digest == hashlib.sha256(body).hexdigest()
    flipped = f"{(int(headers.signature, 16) ^ (1 << place)) % 2**512:0128x}"
    for changed in (
        *(replace(headers, number=number ^ 1), replace(headers, session="ac" * 16), replace(headers, digest="0" * 64)),
        *(replace(headers, signature=flipped), replace(headers, device="0" * 64)),
    ):
        with pytest.raises(DataError):
            check(changed, "POST", "/v1/check-in?wait=1")
    for method, path in (("GET", "/v1/check-in?wait=1"), ("POST", "/v1/check-in?wait=2")):
        with pytest.raises(DataError):
            check(headers, method, path)


@given(st.dictionaries(st.sampled_from(["device", "session", "number", "digest", "signature"]), st.text(max_size=130)))
def test_headers_that_are_none_are_refused(content: dict[str, str]) -> None:
    with pytest.raises(DataError):
        SignedHeaders.from_headers({f"x-federation-{name}": value for name, value in content.items()})


def test_a_certificate_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "certificate.pem"
    made = certificate(path, "127.0.0.1")
    assert certificate(path, "127.0.0.1") == made
    assert path.stat().st_mode & 0o077 == 0
    der = ssl.PEM_cert_to_DER_cert(path.read_text()[: path.read_text().index("-----BEGIN PRIVATE")])
    assert hashlib.sha256(der).hexdigest() == made.sha256
    path.write_text("damaged")
    with pytest.raises(DataError, match="holds no certificate"):
        certificate(path, "127.0.0.1")


def test_a_federation_goes_on_as_it_has_begun(tmp_path: Path) -> None:
    settings = FederationSettings(FineTuning(passes=1), SumSettings(cohort=5), seed=3)
    begun = settings.begin(tmp_path)
    assert settings.begin(tmp_path) == begun
    assert begun.noise_seed and (tmp_path / "federation.json").stat().st_mode & 0o077 == 0
    with pytest.raises(DataError, match="has begun with"):
        replace(settings, summation=SumSettings(cohort=6)).begin(tmp_path)
    (tmp_path / "federation.json").write_text("{}garbage")
    with pytest.raises(DataError, match="cannot read the settings"):
        settings.begin(tmp_path)


def test_a_device_takes_part_once_in_a_period_of_a_private_run(world) -> None:
    world.coordinator.settings = replace(
        world.coordinator.settings, privacy=Privacy("tree", noise_multiplier=1.0, period=2)
    )
    world.enrol(12)
    world.coordinator.want(4)
    for _ in range(60):
        for device in world.devices:
            world.step(device)
        world.work()
        world.now += 1
    rounds = [
        set(world.coordinator.store.counted(r.number))
        for r in world.coordinator.store.rounds()
        if r.state == "committed"
    ]
    assert len(rounds) == 4
    assert not rounds[0] & rounds[1] and not rounds[2] & rounds[3]
    assert (rounds[0] | rounds[1]) & (rounds[2] | rounds[3])


def test_rounds_stop_when_the_budget_is_spent_and_pause_when_they_fail(world) -> None:
    world.enrol(6)
    world.coordinator.prepared({"terms": "", "exhausted": "the budget is spent", "spent": {}, "unmasked": 0})
    world.coordinator.want(1)
    world.run(2)
    assert not world.coordinator.store.rounds()
    assert world.coordinator.store.wishes() == (1, True)
    assert "the budget is spent" in world.coordinator.store.errors(1)[0][1]

    world.coordinator.prepared({"terms": world.terms.to_json(), "exhausted": "", "spent": {}, "unmasked": 0})
    world.coordinator.want(1)
    absent, world.devices = world.devices, []
    for _ in range(200):
        world.coordinator.tick(world.now)
        world.now += 5
    assert {r.state for r in world.coordinator.store.rounds()} == {"aborted"}
    assert len(world.coordinator.store.rounds()) == 5  # and then somebody has to look
    world.devices = absent
    world.coordinator.pause(False)
    world.finish()
    assert world.coordinator.model.provenance.round == 1


def test_a_sum_of_which_no_model_comes_ends_its_round(world) -> None:
    world.enrol(6)
    world.coordinator.want(1)
    world.advance("commit")
    world.coordinator.keep_sum(world.coordinator.begin_unmasking().secure.unmask())
    world.coordinator.fail("the learner refuses it", world.now)
    (row,) = world.coordinator.store.rounds()
    assert row.state == "aborted" and world.coordinator.summed() is None
    assert world.coordinator.model.provenance.round == 0
    world.finish()
    assert world.coordinator.model.provenance.round == 1


@pytest.mark.parametrize("lost", ["before the sum was kept", "by the learner"])
def test_a_sum_that_was_unmasked_and_made_no_model_is_spent(lost: str, world) -> None:
    """Its devices are not called again in the period, and the learner is told to count it; after the retry nothing is odd."""
    private = Privacy("tree", noise_multiplier=1.0, period=2)
    world.coordinator.settings = world.settings = replace(world.settings, privacy=private)
    world.enrol(18)
    world.coordinator.want(3)
    world.advance("commit")
    unmasked = world.coordinator.begin_unmasking()
    assert world.coordinator.store.newest_unmasked() == 1
    if lost == "by the learner":
        world.coordinator.keep_sum(unmasked.secure.unmask())
        world.coordinator.fail("the learner refuses it", world.now)
    else:
        world.kill()
    world.prepare(world.coordinator)
    assert world.coordinator.next.unmasked == 1 and world.coordinator.store.newest_committed() == 0
    world.finish()
    rows = world.coordinator.store.rounds()
    assert [row.state for row in rows] == ["aborted", "committed", "committed", "committed"]
    sums = [set(world.coordinator.store.counted(row.number)) for row in rows]
    assert all(len(devices) == 4 for devices in sums)
    assert len(sums[0] | sums[1] | sums[2]) == 12, "one period, and nobody in it twice"
    assert world.coordinator.store.newest_unmasked() == 3
    world.kill()
    assert world.coordinator.next is not None, "nothing was unmasked that what was told does not count"


def test_a_round_that_ended_before_its_sum_could_be_unmasked_spends_nothing(world) -> None:
    world.enrol(6)
    world.coordinator.want(1)
    world.advance("unmasking")
    world.kill()
    assert world.coordinator.store.rounds()[0].state == "aborted"
    assert world.coordinator.store.newest_unmasked() == 0
    assert world.coordinator.store.last_participation(world.devices[0].name) == (None, 0)


def test_a_store_of_an_older_coordinator_is_taken_over(world) -> None:
    world.enrol(6)
    world.coordinator.want(1)
    world.finish()
    world.coordinator.store._connection.executescript("DROP INDEX rounds_of_a_device; PRAGMA user_version = 1;")
    (world.coordinator.shelf.state_folder(1) / "next.json").write_text(
        json.dumps({"terms": world.terms.to_json(), "exhausted": "", "spent": {}})  # which counted nothing
    )
    world.kill()
    assert world.coordinator.store.last_participation(sorted(world.coordinator.store.counted(1))[0]) == (1, 1)
    world.coordinator.want(1)
    world.finish()
    assert world.coordinator.model.provenance.round == 2


def test_when_devices_were_seen_is_kept_now_and_then(world) -> None:
    for device in world.enrol(2):
        world.now += 1
        world.step(device)
    assert {row.seen for row in world.coordinator.store.devices()} == {1_000.0}
    world.now += 10
    world.coordinator.tick(world.now)
    assert {row.seen for row in world.coordinator.store.devices()} == {1_001.0, 1_002.0}


def test_a_store_that_is_damaged_says_so(world, tmp_path: Path) -> None:
    folder = tmp_path / "damaged"
    folder.mkdir()
    (folder / "coordinator.sqlite").write_bytes(b"no database at all" * 100)
    with pytest.raises(DataError, match=r"coordinator\.sqlite cannot be read"):
        Coordinator(folder, world.shipped, world.settings, SecureSummation, 0.0)


def test_a_device_with_nothing_to_do_rests(world) -> None:
    (device,) = world.enrol(1)
    vocabulary = world.coordinator.model.vocabulary.sha256
    call = world.coordinator.check_in(device.name, CheckIn(vocabulary, ""), world.now)
    assert call.task == REST and not call.round_name
