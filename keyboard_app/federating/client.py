"""The keyboard's line to a coordinator: HTTPS to the one whose certificate the join link named, every request signed."""

import hashlib
import json
import ssl
import time
from dataclasses import dataclass
from typing import Self

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from data.errors import DataError, UserFacingError
from federation.protocol import api_messages
from federation.protocol.join_link import JoinLink
from federation.protocol.signed_requests import device_name, sign, sign_enrolment

_CONNECT_SECONDS, _ANSWER_SECONDS = 10.0, 60.0
_SMALL_ANSWER, _LARGE_ANSWER = 2**24, 2**27  # bytes: a coordinator cannot fill the device's memory either


class UnreachableError(UserFacingError):
    """The coordinator did not answer; it may a little later."""


class RefusedError(UserFacingError):
    """The coordinator refused, with a status of `federation.protocol.api_messages.REFUSALS`."""

    def __init__(self, reason: str, status: int) -> None:
        super().__init__(reason)
        self.status = status


def enrol(link: JoinLink, key: Ed25519PrivateKey) -> str:
    """Joins by a link, with this key from now on; returns the coordinator's certificate, PEM.

    Raises:
      DataError: the link's certificate is not the coordinator's, the code is not good, or nobody answers.
    """
    certificate = _pinned_certificate(link)
    enrolment = api_messages.Enrolment(link.code, device_name(key), sign_enrolment(key, link.code))
    with FederationClient(link.url, certificate, key) as client:
        client.enrol(enrolment)
    return certificate


def _pinned_certificate(link: JoinLink) -> str:
    """The certificate that the coordinator shows, if it is the link's; nothing is sent to it before that is known."""
    try:
        shown = ssl.get_server_certificate((link.host, link.port), timeout=_CONNECT_SECONDS)
    except (OSError, ValueError) as error:
        raise UnreachableError(f"no coordinator answers at {link.host}:{link.port}: is it running?") from error
    if hashlib.sha256(ssl.PEM_cert_to_DER_cert(shown)).hexdigest() != link.sha256:
        raise DataError(
            f"whoever answers at {link.host}:{link.port} is not the coordinator of this join link: ask for a new link"
        )
    return shown


def _trusting_only(certificate: str) -> ssl.SSLContext:
    """A context for which this certificate is the only one there is, under whatever name its machine is reached."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    try:
        context.load_verify_locations(cadata=certificate)
    except ssl.SSLError as error:
        raise DataError("the coordinator's certificate is damaged: leave the federation and join anew") from error
    return context


@dataclass(frozen=True)
class _Answer:
    status: int
    content: bytes

    def refusal(self) -> dict[str, object]:
        """What a refusal says; the coordinator's own words are not to be trusted to be any."""
        try:
            content = json.loads(self.content)
            return content if isinstance(content, dict) else {}
        except (ValueError, RecursionError):
            return {}


class FederationClient:
    """Calls of `federation.protocol.api_messages`. For one thread at a time."""

    def __init__(self, url: str, certificate: str, key: Ed25519PrivateKey) -> None:
        """Opens no connection yet.

        Raises:
          DataError: the certificate is damaged.
        """
        self._url, self._key = url, key
        self._session, self._number = "0" * 32, 0
        self._http = httpx.Client(
            base_url=url,
            verify=_trusting_only(certificate),
            trust_env=False,  # no proxy reads along
            timeout=httpx.Timeout(_ANSWER_SECONDS, connect=_CONNECT_SECONDS),
        )

    def close(self) -> None:
        """Closes the connection."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def enrol(self, enrolment: api_messages.Enrolment) -> None:
        """Joins.

        Raises:
          DataError: the code is not good, or nobody answers.
        """
        _accepted(self._send("POST", "/v1/devices", enrolment.to_json().encode(), {}, _SMALL_ANSWER))

    def check_in(self, vocabulary_sha256: str, round_name: str, wait: float) -> api_messages.Call:
        """Asks what to do; the coordinator answers within `wait` seconds.

        Raises:
          DataError: it refuses, or nobody answers.
        """
        body = api_messages.CheckIn(vocabulary_sha256, round_name).to_json().encode()
        return api_messages.Call.from_json(_text(self._call("POST", f"/v1/check-in?wait={wait:g}", body)))

    def plan(self, round_name: str) -> api_messages.Plan:
        """How a round goes.

        Raises:
          DataError: it refuses, or nobody answers.
        """
        return api_messages.Plan.from_json(_text(self._call("GET", f"/v1/rounds/{round_name}/plan")))

    def needs(self, round_name: str, stage: str) -> bytes:
        """What this device needs for a stage.

        Raises:
          DataError: it refuses, or nobody answers.
        """
        return self._call("GET", f"/v1/rounds/{round_name}/{stage}")

    def give(self, round_name: str, stage: str, message: bytes) -> None:
        """Gives what a stage asks for. Where an answer got lost and it is there already, that is as good.

        Raises:
          DataError: it refuses, or nobody answers.
        """
        try:
            self._call("POST", f"/v1/rounds/{round_name}/{stage}", message)
        except RefusedError as refused:
            if refused.status != api_messages.REPEATED:
                raise

    def withdraw(self, round_name: str) -> None:
        """Tells the others not to wait.

        Raises:
          DataError: it refuses, or nobody answers.
        """
        self._call("POST", f"/v1/rounds/{round_name}/withdrawal")

    def model(self, digest: str) -> bytes:
        """The weights of the newest global model, a safetensors file.

        Raises:
          DataError: it refuses, or nobody answers.
        """
        return self._call("GET", f"/v1/models/{digest}", limit=_LARGE_ANSWER)

    def leave(self) -> None:
        """Leaves the federation.

        Raises:
          DataError: it refuses, or nobody answers.
        """
        self._call("POST", "/v1/departure")

    def _call(self, method: str, path: str, body: bytes = b"", limit: int = _SMALL_ANSWER) -> bytes:
        """A signed request. The coordinator says which session and number it has to have, where it has to be another."""
        for _ in range(2):
            self._number = max(self._number + 1, time.time_ns())
            signed = sign(self._key, self._session, self._number, method, path, body)
            answer = self._send(method, path, body, signed.to_headers(), limit)
            if answer.status != api_messages.REPLAYED:
                break
            said = answer.refusal()
            self._session = str(said.get("session", ""))
            number = said.get("number")
            self._number = max(self._number, number) if isinstance(number, int) and number < 2**62 else self._number
        return _accepted(answer)

    def _send(self, method: str, path: str, body: bytes, headers: dict[str, str], limit: int) -> _Answer:
        try:
            with self._http.stream(method, path, content=body, headers=headers) as response:
                content = bytearray()
                for chunk in response.iter_bytes():
                    content += chunk
                    if len(content) > limit:
                        raise DataError("the coordinator's answer is larger than any should be")
                return _Answer(response.status_code, bytes(content))
        except httpx.HTTPError as error:
            raise UnreachableError(
                f"the coordinator at {self._url} does not answer: {error or type(error).__name__}"
            ) from error


def _accepted(answer: _Answer) -> bytes:
    if answer.status >= 500:
        raise UnreachableError(f"the coordinator fails: status {answer.status}")
    if answer.status >= 300:
        reason = " ".join(str(answer.refusal().get("error", f"status {answer.status}")).split())[:300]
        raise RefusedError(f"the coordinator says: {reason}", answer.status)
    return answer.content


def _text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise DataError("the coordinator's answer is not UTF-8 text") from error
