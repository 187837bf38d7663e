"""The keyboard's connection to its coordinator: HTTPS with the certificate that the join link names, and signed requests."""

import hashlib
import socket
import ssl
import time
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Self
from urllib.parse import urlsplit

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from data.errors import DataError, UserFacingError
from federation.protocol import api_messages
from federation.protocol.discovery.round_plans import RoundPlan, read_plan
from federation.protocol.join_link import JoinLink
from federation.protocol.signed_requests import device_name, sign_enrolment
from federation.protocol.signed_session import SignedSession

_NOT_YET_VALID, _EXPIRED = 9, 10  # X509_V_ERR_… of OpenSSL
_CONNECT_SECONDS, _ANSWER_SECONDS, _MODEL_SECONDS = 10.0, 60.0, 900.0
_MAX_SMALL_ANSWER, _MAX_LARGE_ANSWER = 2**24, 2**27  # bytes, so that a coordinator cannot fill the device's memory


class UnreachableError(UserFacingError):
    """The coordinator did not answer; it may do so later."""


class RefusedError(UserFacingError):
    """The coordinator refused, with a status of `federation.protocol.api_messages.REFUSALS`."""

    def __init__(self, reason: str, status: int) -> None:
        super().__init__(reason)
        self.status = status


def enrol(link: JoinLink, key: Ed25519PrivateKey) -> str:
    """Enrols this key with the coordinator of a join link; returns the coordinator's certificate, PEM.

    Raises:
      DataError: the link's certificate is not the coordinator's.
      RefusedError: the code is not valid.
      UnreachableError: the coordinator does not answer.
    """
    certificate = _pinned_certificate(link)
    enrolment = api_messages.Enrolment(link.code, device_name(key), sign_enrolment(key, link.code))
    with FederationClient(link.url, certificate, key) as client:
        client.enrol(enrolment)
    return certificate


def _pinned_certificate(link: JoinLink) -> str:
    """Returns the server's certificate if the link names it. Nothing is sent to the server before that check."""
    try:
        shown = ssl.get_server_certificate((link.host, link.port), timeout=_CONNECT_SECONDS)
    except (OSError, ValueError) as error:
        raise UnreachableError(
            f"no coordinator answers at {link.host}:{link.port}: check that it is running"
        ) from error
    if hashlib.sha256(ssl.PEM_cert_to_DER_cert(shown)).hexdigest() != link.sha256:
        raise DataError(
            f"the server at {link.host}:{link.port} is not the coordinator of this join link: ask for a new link"
        )
    return shown


def _trusting_only(certificate: str) -> ssl.SSLContext:
    """Returns a TLS context that accepts this certificate only, whatever the name of the host."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    try:
        context.load_verify_locations(cadata=certificate)
    except ssl.SSLError as error:
        raise DataError("the coordinator's certificate is damaged: leave the federation and join again") from error
    return context


@dataclass(frozen=True)
class _Answer:
    status: int
    version: int  # of the protocol
    content: bytes


class FederationClient:
    """A client for the calls of `federation.protocol.api_messages`, for one thread at a time.

    Each call raises an `UnreachableError` if the coordinator does not answer, a `RefusedError` if it refuses, and a `DataError` if
    its answer is not valid.
    """

    def __init__(self, url: str, certificate: str, key: Ed25519PrivateKey) -> None:
        """Prepares the client; the first call opens the connection.

        Raises:
          DataError: the certificate is damaged.
        """
        self._url, self._session = url, SignedSession(key)
        self._http = httpx.Client(
            base_url=url,
            verify=_trusting_only(certificate),
            trust_env=False,  # no proxy between keyboard and coordinator
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
        """Joins the federation. The code is not used up by a coordinator of another version of the protocol."""
        version = {api_messages.VERSION_HEADER: str(api_messages.VERSION)}
        _accepted(self._send("GET", "/v1/federation", b"", version, _MAX_SMALL_ANSWER))
        _accepted(self._send("POST", "/v1/devices", enrolment.to_json().encode(), version, _MAX_SMALL_ANSWER))

    def newest_model(self) -> str:
        """Asks for the digest of the newest global model, without being selected for a round."""
        return self.federation().model

    def federation(self) -> api_messages.FederationInfo:
        """Asks for the public information about the federation."""
        answer = _accepted(self._send("GET", "/v1/federation", b"", {}, _MAX_SMALL_ANSWER))
        return api_messages.FederationInfo.from_json(_text(answer))

    def check_in(
        self, vocabulary_sha256: str, round_name: str, wait: float, ready: bool = True, words: bool = False
    ) -> api_messages.Call:
        """Asks the coordinator for this device's next task; the answer comes within `wait` seconds."""
        body = api_messages.CheckIn(vocabulary_sha256, round_name, ready, words).to_json().encode()
        return api_messages.Call.from_json(_text(self._call("POST", f"/v1/check-in?wait={wait:g}", body)))

    def plan(self, round_name: str) -> RoundPlan:
        """Fetches the plan of a round."""
        return read_plan(_text(self._call("GET", f"/v1/rounds/{round_name}/plan")))

    def needs(self, round_name: str, stage: str) -> bytes:
        """Fetches the data that this device needs for a stage."""
        return self._call("GET", f"/v1/rounds/{round_name}/{stage}")

    def give(self, round_name: str, stage: str, message: bytes) -> None:
        """Sends this device's message of a stage. A message that arrived before is no error: only its answer was lost."""
        try:
            self._call("POST", f"/v1/rounds/{round_name}/{stage}", message)
        except RefusedError as refused:
            if refused.status != api_messages.REPEATED:
                raise

    def outcome(self, round_name: str) -> str:
        """Asks whether this device's update is in the model that a round made; empty until the round is over."""
        answer = self._call("GET", f"/v1/rounds/{round_name}/outcome")
        return api_messages.UpdateOutcome.from_json(_text(answer)).outcome

    def withdraw(self, round_name: str) -> None:
        """Leaves a round, so that the other devices need not wait for this one."""
        self._call("POST", f"/v1/rounds/{round_name}/withdrawal")

    def model(self, digest: str) -> bytes:
        """Fetches the weights of the newest global model, a safetensors file."""
        return self._call("GET", f"/v1/models/{digest}", limit=_MAX_LARGE_ANSWER)

    def description(self, digest: str) -> api_messages.ModelDescription:
        """Fetches the sizes and the names of the files of the newest global model."""
        return api_messages.ModelDescription.from_json(_text(self._call("GET", f"/v1/models/{digest}/description")))

    def part(self, digest: str, name: str) -> bytes:
        """Fetches a file of the newest global model, by its name in `api_messages.MODEL_PARTS`."""
        return self._call("GET", f"/v1/models/{digest}/{name}", limit=api_messages.MODEL_PARTS[name])

    def leave(self) -> None:
        """Leaves the federation."""
        self._call("POST", "/v1/departure")

    def _call(self, method: str, path: str, body: bytes = b"", limit: int = _MAX_SMALL_ANSWER) -> bytes:
        exchange = self._session.begin(method, path, body)
        while True:
            try:
                answer = self._send(method, path, body, exchange.sign(), limit)
            except UnreachableError:
                if (pause := exchange.failed()) is None:
                    raise
                time.sleep(pause)
                continue
            if not exchange.must_repeat(answer.status, answer.content):
                return _accepted(answer)

    def _send(self, method: str, path: str, body: bytes, headers: dict[str, str], limit: int) -> _Answer:
        until = time.monotonic() + (_MODEL_SECONDS if limit == _MAX_LARGE_ANSWER else 2 * _ANSWER_SECONDS)
        try:
            with self._http.stream(method, path, content=body, headers=headers) as response:
                content = bytearray()
                for chunk in response.iter_raw():  # nothing is unpacked: a few bytes could become gigabytes
                    content += chunk
                    if len(content) > limit:
                        raise DataError(f"the coordinator's answer is larger than {limit:,} bytes: it was refused")
                    if time.monotonic() > until:
                        place = urlsplit(self._url).netloc
                        raise UnreachableError(f"the coordinator at {place} answers too slowly: try again later")
                version = api_messages.version_in(response.headers.get(api_messages.VERSION_HEADER))
                return _Answer(response.status_code, version, bytes(content))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            if (wrong := _wrong_clock(error)) is not None:
                raise UnreachableError(wrong) from error
            raise UnreachableError(_why_unreachable(urlsplit(self._url).netloc, error)) from error


def _wrong_clock(error: BaseException | None) -> str | None:
    """Returns a line for people if a connection failed because the certificate is not valid at this device's time."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError) and error.verify_code in (_NOT_YET_VALID, _EXPIRED):
            when = "not valid yet" if error.verify_code == _NOT_YET_VALID else "not valid any more"
            today = datetime.now().astimezone().strftime("%d %B %Y, %H:%M")
            return (
                f"this device's clock says {today}, and the coordinator's certificate is {when} at that time: "
                "set this device's clock to the right date and try again"
            )
        error = error.__cause__ or error.__context__
    return None


def _accepted(answer: _Answer) -> bytes:
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise UnreachableError("the coordinator has a problem of its own: try again later")
    if answer.version != api_messages.VERSION:
        refusal = api_messages.other_version(api_messages.VERSION, answer.version)
        raise RefusedError(refusal, api_messages.OTHER_VERSION)
    if answer.status == api_messages.REMOVED:
        raise RefusedError(
            "this federation removed this keyboard: it no longer takes part in rounds. To join again, leave the federation here "
            "and ask its owner for a new link",
            answer.status,
        )
    if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
        said = api_messages.Refusal.read(answer.content).error or "it gave no reason"
        raise RefusedError(f"the coordinator says: {' '.join(said.split())[:300]}", answer.status)
    return answer.content


def _why_unreachable(place: str, error: BaseException) -> str:
    """Returns why this device cannot reach the coordinator at a host and port, and what to do, for people."""
    causes: list[BaseException] = [error]
    while (cause := causes[-1].__cause__ or causes[-1].__context__) is not None and cause not in causes:
        causes.append(cause)
    if any(isinstance(each, ssl.SSLCertVerificationError) for each in causes):
        return f"another server answers at {place}: if this lasts, leave the federation and join again with a new link"
    if any(isinstance(each, socket.gaierror) for each in causes):
        return f"cannot find the coordinator at {place}: check that this device is online"
    if any(isinstance(each, httpx.TimeoutException) for each in causes):
        return f"the coordinator at {place} does not answer in time: try again later"
    return f"cannot reach the coordinator at {place}: is it running?"


def _text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise DataError("the coordinator's answer is not text: it was refused") from error
