"""Readers of environment variables. An empty variable counts as unset; a bad one ends the start with one line.

No message repeats the value: it may be a secret pasted into the wrong place.
"""

import ipaddress
import os
import re
import sys
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

import dj_database_url

LOOPBACK = {"127.0.0.1", "::1", "localhost"}
HOST = r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*|\[[0-9A-Fa-f:.]+\]"
# Seconds, but tcp_user_timeout in ms (PostgreSQL, 32.1.2 "Parameter Key Words").
DEAD_PEER = {"connect_timeout": 5, "keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3,
             "tcp_user_timeout": 10_000}  # fmt: skip
# A query that hangs, or waits for a lock, ends in an error before visitors and the server give up (ms). Not at
# `manage.py migrate`, which may take as long as it needs.
TIME_LIMITS = "-c statement_timeout=10000 -c lock_timeout=5000"
BROKERS = ("redis", "rediss", "amqp", "amqps", "sqs")
DATABASES = ("sqlite", "postgres", "postgresql")


def refuse(name: str, problem: str) -> NoReturn:
    """Ends the process with exit code 1 and one line on stderr that names the variable."""
    sys.exit(f"{name} {problem}")


def text(name: str, default: str = "") -> str:
    return os.environ.get(name, "").strip() or default


def required(name: str, how: str) -> str:
    return text(name) or refuse(name, f"is not set: {how}")


def flag(name: str, *, default: bool = False) -> bool:
    value = text(name, "on" if default else "off").lower()
    if value in {"on", "true", "yes", "1"}:
        return True
    if value in {"off", "false", "no", "0"}:
        return False
    refuse(name, "must be on or off.")


def number(name: str, default: int, *, least: int, most: int) -> int:
    value = text(name, str(default))
    if not re.fullmatch(r"[0-9]{1,9}", value) or not least <= int(value) <= most:
        refuse(name, f"must be a whole number from {least} to {most}.")
    return int(value)


def choice(name: str, default: str, *, among: tuple[str, ...]) -> str:
    value = text(name, default).lower()
    if value not in among:
        refuse(name, f"must be one of {', '.join(among)}.")
    return value


def address(name: str, default: str) -> str:
    """An IP address to listen on, as it stands in a web address."""
    try:
        found = ipaddress.ip_address(text(name, default))
    except ValueError:
        refuse(name, "must be an IP address, such as 127.0.0.1 or 0.0.0.0.")
    return f"[{found}]" if found.version == 6 else str(found)


def words(name: str) -> list[str]:
    """The comma-separated parts, without the blanks around them."""
    return [word.strip() for word in text(name).split(",") if word.strip()]


def hosts(name: str) -> list[str]:
    return _words_like(rf"\*|\.?({HOST})", name, "must be host names separated by commas, without https:// or a port.")


def origins(name: str) -> list[str]:
    return _words_like(
        rf"https?://(\*\.)?({HOST})(:[0-9]+)?", name,
        "must be origins such as https://top.example.com, separated by commas.",
    )  # fmt: skip


def addresses(name: str) -> list[str]:
    return _words_like(r"[^@\s,<>]+@[^@\s,<>]+", name, "must be email addresses separated by commas.")


def _words_like(pattern: str, name: str, problem: str) -> list[str]:
    found = words(name)
    if not all(re.fullmatch(pattern, word) for word in found):
        refuse(name, problem)
    return found


def service_url(name: str, default: str, *, query: bool = False) -> str:
    """The address of a service, without a slash at its end; https, or http on this very machine. "" if none is set."""
    value = text(name, default).rstrip("/")
    if not value:
        return ""
    try:
        parts = urlsplit(value)
        secure = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
        usable = bool(parts.hostname) and parts.port != 0 and not re.search(r"[\s#@]" if query else r"[\s?#@]", value)
    except ValueError:
        secure = usable = False
    if not (secure and usable):
        example = f", such as {default}" if default else ""
        refuse(name, f"must be an https address (or http on 127.0.0.1){example}.")
    return value


def broker_url(name: str) -> str:
    """The address of a message broker that Celery knows how to use: Redis (or Valkey), RabbitMQ or SQS. "" if unset."""
    value = text(name)
    if not value:
        return ""
    try:
        parts = urlsplit(value)
        # SQS is asked where the region says; boto3 finds the keys.
        usable = parts.scheme in BROKERS and (bool(parts.hostname) or parts.scheme == "sqs")
        usable = usable and parts.port != 0 and not re.search(r"\s", value)
    except ValueError:
        usable = False
    if not usable:
        refuse(name, f"must be the address of a broker: {', '.join(f'{scheme}://' for scheme in BROKERS)}.")
    if parts.scheme.startswith("redis") and not re.fullmatch(r"/?[0-9]{0,5}", parts.path):
        refuse(name, "must end in the number of one of Redis's databases, such as /0.")
    return value


def folder(name: str) -> Path | None:
    value = text(name)
    if not value:
        return None
    if not Path(value).is_absolute():
        refuse(name, "must be an absolute path.")
    return Path(value)


def database(name: str, default: str, *, shared: bool = False) -> dict[str, Any]:
    """Django's settings of a database: PostgreSQL with persistent, checked connections, or SQLite in WAL mode.

    With `shared` the visitors of a process share a few connections to PostgreSQL (spotify_top/postgres/base.py).
    """
    value = text(name, default)
    if value.partition("://")[0] not in DATABASES:
        refuse(name, "must be postgres://USER:PASSWORD@HOST:PORT/NAME or sqlite:////absolute/path.sqlite3.")
    try:
        config: dict[str, Any] = dict(dj_database_url.parse(value, conn_max_age=600, conn_health_checks=True))
    except ValueError:
        refuse(name, "cannot be read: write special characters in the password as %XX, as in a web address.")
    if not config["NAME"]:
        refuse(name, "names no database: put it behind the last slash.")
    options = config.setdefault("OPTIONS", {})
    if config["ENGINE"] == "django.db.backends.sqlite3":
        if not Path(config["NAME"]).is_absolute() or not Path(config["NAME"]).parent.is_dir():
            refuse(name, "must name a file in an existing folder by its whole path: sqlite:////absolute/path.sqlite3.")
        config["CONN_MAX_AGE"] = 0
        options |= {
            "timeout": 10,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        }
    else:
        # A server that is gone without a word is noticed within 12 s (libpq's own default is two hours).
        config["OPTIONS"] = DEAD_PEER | options
        # The address's own come last, and win.
        config["OPTIONS"]["options"] = f"{TIME_LIMITS} {options.get('options', '')}".strip()
        if shared:
            config |= {"ENGINE": "spotify_top.postgres", "CONN_MAX_AGE": 0}
    return config
