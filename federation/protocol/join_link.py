"""The link by which a device joins a federation: where the coordinator is, its certificate's SHA-256, and a code good once.

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
    """What a join link says."""

    host: str
    port: int
    code: str
    sha256: str  # of the coordinator's certificate, DER, in lower-case hex

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{SCHEME}://{host}:{self.port}/join?{urlencode({'code': self.code, 'sha256': self.sha256})}"

    @property
    def url(self) -> str:
        """The address of the coordinator's API."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"https://{host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads a link.

        Raises:
          DataError: it is none.
        """
        try:
            parts = urlsplit(text.strip())
            query = parse_qs(parts.query, strict_parsing=True)
            host, port = parts.hostname, parts.port
            (code,), (sha256,) = query["code"], query["sha256"]
        except (ValueError, KeyError) as error:
            raise DataError("this is no join link: copy the whole link that the coordinator shows") from error
        if parts.scheme != SCHEME or parts.path != "/join" or not host or not port:
            raise DataError(f"a join link begins with {SCHEME}://HOST:PORT/join: copy the whole link")
        if not re.fullmatch(r"[0-9a-f]{64}", sha256) or not re.fullmatch(r"[A-Za-z0-9_-]{8,64}", code):
            raise DataError("the join link is cut short or changed: copy the whole link that the coordinator shows")
        return cls(host, port, code, sha256)
