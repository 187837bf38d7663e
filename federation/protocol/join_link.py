"""The link with which a device joins a federation: the coordinator's address, its certificate's SHA-256, and a single-use code.

`federated-keyboard://HOST:PORT/join?code=CODE&sha256=64 HEX DIGITS`
"""

import re
from dataclasses import dataclass
from typing import Self
from urllib.parse import parse_qs, urlencode, urlsplit

from data.errors import DataError

SCHEME = "federated-keyboard"


@dataclass(frozen=True)
class JoinLink:
    """The parts of a join link."""

    host: str
    port: int
    code: str
    sha256: str  # of the coordinator's certificate in DER, lower-case hex

    def __str__(self) -> str:
        return f"{SCHEME}://{self._address}/join?{urlencode({'code': self.code, 'sha256': self.sha256})}"

    @property
    def url(self) -> str:
        """The address of the coordinator's API."""
        return f"https://{self._address}"

    @property
    def _address(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads a link.

        Raises:
          DataError: the text is not a join link.
        """
        try:
            parts = urlsplit(text.strip())
            query = parse_qs(parts.query, strict_parsing=True)
            host, port = parts.hostname, parts.port
            (code,), (sha256,) = query["code"], query["sha256"]
        except (ValueError, KeyError) as error:
            raise DataError("the text is not a join link: copy the whole link that the coordinator shows") from error
        if parts.scheme != SCHEME or parts.path != "/join" or not host or not port:
            raise DataError(f"a join link begins with {SCHEME}://HOST:PORT/join: copy the whole link")
        if not re.fullmatch(r"[0-9a-f]{64}", sha256) or not re.fullmatch(r"[A-Za-z0-9_-]{8,64}", code):
            raise DataError("the join link is incomplete or altered: copy the whole link that the coordinator shows")
        return cls(host, port, code, sha256)
