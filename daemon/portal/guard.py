"""Who may see the figures: client names are in them."""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass

from daemon.secret import Secret


@dataclass(frozen=True, slots=True)
class Guard:
    """Lets in whoever has the token, or the user's password; everyone where neither is set."""

    token: Secret | None = None
    user: str = ""
    password: Secret | None = None

    @property
    def schemes(self) -> list[str]:
        """What to answer whom it does not let in: one challenge for each way."""
        ways = {'Bearer realm="heliograph"': self.token, 'Basic realm="heliograph", charset="UTF-8"': self.password}
        return [challenge for challenge, secret in ways.items() if secret is not None]

    def allows(self, authorization: str) -> bool:
        """By the header of that name; as long whatever of it is wrong."""
        if not self.schemes:
            return True
        scheme, _, given = authorization.partition(" ")
        if scheme.lower() == "bearer":
            return _same(self.token, given.strip().encode())
        if scheme.lower() == "basic":
            return _same(self._credentials, _decoded(given.strip()))
        return False

    @property
    def _credentials(self) -> Secret | None:
        return None if self.password is None else Secret(f"{self.user}:{self.password.reveal()}")


def _same(secret: Secret | None, given: bytes) -> bool:
    return secret is not None and hmac.compare_digest(secret.reveal().encode(), given)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
