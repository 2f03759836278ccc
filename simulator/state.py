"""What the simulated Spotify knows: accounts, authorization codes, tokens, the calls it saw and the faults it owes."""

import base64
import hashlib
import secrets
import threading
import time
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .catalogue import TIME_RANGES, every_item, fingerprint, ranking, spotify_id
from .faults import Fault

CODE_SECONDS = 600
FAULT_PATHS = ("/authorize", "/api/token", "/v1/me", "/v1/me/top/tracks")


@dataclass(frozen=True)
class Call:
    """One request the simulator received; `at` is in seconds since the epoch."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]  # names in lower case
    body: dict[str, str]
    at: float


@dataclass
class Account:
    """One Spotify user. A ranking is served as it stands, whatever is in it."""

    account_id: str
    id: str
    display_name: str | None
    rankings: dict[str, Any]
    include_account_id: bool = True
    allowed: bool = True  # False: not on the app's allow-list
    verbatim: set[str] = field(default_factory=set)  # time ranges whose items extended mode adds nothing to


@dataclass(frozen=True)
class Code:
    """An authorization code and what it is bound to; `expires_at` is in seconds since the epoch."""

    account: str
    client_id: str
    redirect_uri: str
    challenge: str
    scope: str
    expires_at: float


@dataclass(frozen=True)
class Token:
    """An access or refresh token; `expires_at` (of access tokens) is in seconds since the epoch."""

    account: str  # "": the app's own token, which speaks for nobody
    client_id: str
    scope: str
    expires_at: float = float("inf")


@dataclass
class _Pending:
    fault: Fault
    left: int | None  # None: until it is cleared


class InvalidGrant(Exception):
    """A code or refresh token that gives nothing; the message is Spotify's error_description."""


class State:
    """The simulator without its sockets. Every method may be called from any thread."""

    def __init__(self, *, url: str, extended: bool, client_id: str, client_secret: str, token_seconds: int) -> None:
        self.url = url
        self.client_id = client_id
        self.client_secret = client_secret
        self.token_seconds = token_seconds
        self.issued: set[str] = set()
        self._started_extended = extended
        self._accounts = default_accounts(base_url=url)
        self._lock = threading.RLock()
        self.released = threading.Event()
        self.reset()

    def reset(self) -> None:
        """Put everything back as it was at the start; only `issued` is kept."""
        with self._lock:
            self.release()
            self.calls: list[Call] = []
            # Items are never changed, and a ranking as a whole: that takes no copy of them.
            self.accounts: dict[str, Account] = {
                name: replace(account, rankings=dict(account.rankings), verbatim=set())
                for name, account in self._accounts.items()
            }
            self.current = "host"
            self.extended = self._started_extended
            self.rotate = True
            self.auto_approve = False
            self.restless = False  # True: a day of listening passes before each answer with top tracks
            self.scope: str | None = None
            self.access_tokens: dict[str, Token] = {}
            self.refresh_tokens: dict[str, Token] = {}
            self._codes: dict[str, Code] = {}
            self._faults: dict[str, list[_Pending]] = {path: [] for path in FAULT_PATHS}
            self._shuffles = 0

    # Accounts

    def set_top(self, account: str, time_range: str, items: Any) -> None:
        """Replace a ranking; the items are served exactly as given."""
        with self._lock:
            self.accounts[account].rankings[time_range] = items
            self.accounts[account].verbatim.add(time_range)

    def shuffle(self, account: str = "host", time_range: str = "short_term") -> None:
        """Change a ranking a bit, as a day of listening would: two tracks enter its top 20, some others move."""
        with self._lock:
            self._shuffles += 1
            seed = f"{account}/{time_range}/{self._shuffles}"
            before = list(self.accounts[account].rankings[time_range])
            self.accounts[account].rankings[time_range] = _shuffled(before, seed, every_item(base_url=self.url))

    # Tokens

    def new_code(
        self, *, account: str, redirect_uri: str, challenge: str = "", scope: str = "", client_id: str | None = None
    ) -> str:
        """Return a fresh authorization code."""
        code = "AQ" + secrets.token_urlsafe(160)
        client_id = self.client_id if client_id is None else client_id
        with self._lock:
            expires_at = time.time() + CODE_SECONDS
            self._codes[code] = Code(account, client_id, redirect_uri, challenge, scope, expires_at)
            self.issued.add(code)
        return code

    def exchange_code(self, code: str, *, client_id: str, redirect_uri: str, verifier: str) -> dict[str, Any]:
        """Return the token answer for a code, which is spent whatever the outcome. Raises InvalidGrant."""
        with self._lock:
            found = self._codes.pop(code, None)
            if found is None or found.client_id != client_id:
                raise InvalidGrant("Invalid authorization code")
            if found.expires_at < time.time():
                raise InvalidGrant("Authorization code expired")
            if found.redirect_uri != redirect_uri:
                raise InvalidGrant("Invalid redirect URI")
            if found.challenge != (pkce_challenge(verifier) if verifier else ""):
                raise InvalidGrant("code_verifier was incorrect")
            return self.grant(found.account, found.scope)

    def exchange_refresh_token(self, refresh_token: str, *, client_id: str) -> dict[str, Any]:
        """Return the token answer for a refresh token, which dies of it when `rotate` is on. Raises InvalidGrant."""
        with self._lock:
            found = self.refresh_tokens.get(refresh_token)
            if found is None or found.client_id != client_id:
                raise InvalidGrant("Refresh token revoked" if refresh_token in self.issued else "Invalid refresh token")
            if self.rotate:
                del self.refresh_tokens[refresh_token]
            return self.grant(found.account, found.scope, with_refresh_token=self.rotate)

    def grant(
        self, account: str = "host", scope: str = "user-top-read", *, with_refresh_token: bool = True
    ) -> dict[str, Any]:
        """Return a token answer without the visit to the consent page; `expires_in` is in seconds."""
        with self._lock:
            granted = scope if self.scope is None else self.scope
            token = Token(account, self.client_id, granted)
            access = "BQ" + secrets.token_urlsafe(112)
            self.access_tokens[access] = replace(token, expires_at=time.time() + self.token_seconds)
            self.issued.add(access)
            answer: dict[str, Any] = {
                "access_token": access,
                "token_type": "Bearer",
                "expires_in": self.token_seconds,
                "scope": granted,
            }
            if with_refresh_token:
                answer["refresh_token"] = refresh = "AQ" + secrets.token_urlsafe(98)
                self.refresh_tokens[refresh] = token
                self.issued.add(refresh)
            return answer

    def grant_app(self) -> dict[str, Any]:
        """Return the token answer of the client credentials flow: for nobody's data, and not to be renewed."""
        with self._lock:
            access = "BQ" + secrets.token_urlsafe(60)
            self.access_tokens[access] = Token("", self.client_id, "", time.time() + self.token_seconds)
            self.issued.add(access)
            return {"access_token": access, "token_type": "Bearer", "expires_in": self.token_seconds}

    def revoke(self) -> None:
        """Make every refresh token invalid, as after six months or when the user removes the app."""
        with self._lock:
            self.refresh_tokens.clear()

    def expire_access_tokens(self) -> None:
        """Let every access token be out of date from now on."""
        with self._lock:
            self.access_tokens = {key: replace(token, expires_at=0.0) for key, token in self.access_tokens.items()}

    # Faults

    def fault(self, path: str, *faults: Fault, times: int | None = None) -> None:
        """Answer the next calls of a path with these faults, one after another, then as before.

        A single fault without `times` stays until it is cleared; `times` repeats the sequence so often. Faults given
        later come first.
        """
        if path not in FAULT_PATHS:
            raise ValueError(f"{path} is none of {', '.join(FAULT_PATHS)}")
        if times is None and len(faults) == 1:
            pending = [_Pending(faults[0], None)]
        else:
            pending = [_Pending(fault, 1) for fault in faults * (1 if times is None else times)]
        with self._lock:
            self._faults[path][:0] = pending

    def clear_faults(self) -> None:
        """Behave again, everywhere."""
        with self._lock:
            for pending in self._faults.values():
                pending.clear()

    def release(self) -> None:
        """Let the delayed answers go now; later ones take their time again."""
        with self._lock:
            self.released.set()
            self.released = threading.Event()

    def take_fault(self, path: str, time_range: str) -> Fault | None:
        """Return the fault that is due for this call, and count it as used."""
        with self._lock:
            for pending in self._faults.get(path, []):
                if pending.fault.match in (None, time_range):
                    if pending.left is not None:
                        self._faults[path].remove(pending)
                    return pending.fault
        return None

    # Control from outside

    def summary(self) -> dict[str, Any]:
        """Return what `GET /_simulator/state` shows."""
        with self._lock:
            return {
                "calls": len(self.calls),
                "accounts": list(self.accounts),
                "current": self.current,
                "extended": self.extended,
                "rotate": self.rotate,
                "auto_approve": self.auto_approve,
                "restless": self.restless,
                "faults": {path: [_shown(p) for p in pending] for path, pending in self._faults.items() if pending},
            }

    def change_settings(self, wanted: Mapping[str, Any]) -> None:
        """Set `current` and the flags below. Raises ValueError, and then changes nothing."""
        flags = ("extended", "rotate", "auto_approve", "restless")
        with self._lock:
            for name, value in wanted.items():
                if name == "current" and value not in list(self.accounts):
                    raise ValueError(f"current: one of {', '.join(self.accounts)}")
                if name in flags and not isinstance(value, bool):
                    raise ValueError(f"{name}: true or false")
                if name != "current" and name not in flags:
                    raise ValueError(f"{name}: no such setting")
            for name, value in wanted.items():
                setattr(self, name, value)


def default_accounts(*, base_url: str) -> dict[str, Account]:
    """Return the host, a stranger, and a new listener who has hardly heard anything yet."""

    def account(name: str, display_name: str, seed: str) -> Account:
        rankings: dict[str, Any] = {span: ranking(seed, span, base_url=base_url) for span in TIME_RANGES}
        return Account(spotify_id(f"account/{name}"), f"simulated-{name}", display_name, rankings)

    new = account("new", "Nell Newcomer", "new")
    new.rankings |= {"short_term": new.rankings["short_term"][:7], "long_term": []}
    return {
        "host": account("host", "Hanne Vertsdóttir", ""),
        "stranger": account("stranger", "Stan Strange", "stranger"),
        "new": new,
    }


def pkce_challenge(verifier: str) -> str:
    """Return the S256 challenge of a PKCE verifier (RFC 7636)."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _shuffled(before: list[Any], seed: str, catalogue: list[dict[str, Any]]) -> list[Any]:
    shown = before[:20]
    after = before[:]
    for step, position in enumerate(_choices(seed, len(shown) - 1, 4)):
        other = (position + 1 + step) % len(shown)
        if 0 in (position, other) and not _may_lead(after[position or other]):
            continue
        after[position], after[other] = after[other], after[position]
    outside = [item for item in catalogue if item not in shown]
    for part, choice in zip((1, 3), _choices(f"{seed}/new", len(outside), 2), strict=True):
        entry = outside.pop(choice % len(outside))
        if entry in after:
            after.remove(entry)
        after.insert(len(shown) * part // 5, entry)
    return after[: max(len(before), 2)]


def _may_lead(item: Any) -> bool:
    """Whether a song has a cover and a title in Latin script: the README's picture shows the first one large."""
    if not isinstance(item, dict) or not item["album"]["images"]:
        return False
    letters = [character for character in item["name"] if character.isalpha()]
    return bool(letters) and all("LATIN" in unicodedata.name(letter, "") for letter in letters)


def _choices(seed: str, below: int, number: int) -> Iterator[int]:
    return (fingerprint(f"{seed}/{index}") % max(below, 1) for index in range(number if below > 0 else 0))


def _shown(pending: _Pending) -> dict[str, Any]:
    changed = {name: value for name, value in vars(pending.fault).items() if value != getattr(Fault(), name)}
    shown = {name: value.decode("latin-1") if isinstance(value, bytes) else value for name, value in changed.items()}
    return shown | {"left": pending.left}
