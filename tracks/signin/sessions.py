"""Django's sessions in the database, with the number of their user: so that a person's sessions are found at once.

As documented under "Extending database-backed session engines".
"""

import re
from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore as DatabaseSessionStore

from tracks.models import UserSession

# How long who has not signed in is remembered: for a sign-in that is under way.
ANONYMOUS_SECONDS = 3600


class SessionStore(DatabaseSessionStore):
    def __init__(self, session_key: str | None = None) -> None:
        # A cookie may hold what no database takes for a key, such as an escaped NUL.
        super().__init__(session_key if re.fullmatch("[a-z0-9]{32}", session_key or "") else None)

    @classmethod
    def get_model_class(cls) -> type[UserSession]:
        return UserSession

    def get_session_cookie_age(self) -> int:
        """The seconds until the session lapses."""
        return int(super().get_session_cookie_age()) if SESSION_KEY in self else ANONYMOUS_SECONDS

    def create_model_instance(self, data: dict[str, Any]) -> UserSession:
        session = super().create_model_instance(data)
        assert isinstance(session, UserSession)  # noqa: S101  (for the type checker)
        session.user_id = int(data[SESSION_KEY]) if SESSION_KEY in data else None
        return session
