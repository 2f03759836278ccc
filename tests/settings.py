"""The project's own settings, in an environment of the tests' making."""

import os
from pathlib import Path

from tests import database

os.environ.update(
    PYTHON_DOTENV_DISABLED="1",
    SECRET_KEY="a key for the tests, long enough to please the checks of Django",
    DATABASE_URL=database.url(),
    SPOTIPY_CLIENT_ID="demo-client",
    # What paces the calls is tested where it belongs.
    SPOTIFY_CALLS_PER_30_SECONDS="100000",
    SPOTIPY_CLIENT_SECRET="demo-secret",
    # No refresh of a test starts a process, but those of tests/cards.
    CARDS="off",
)
for name in ("DEBUG", "BEHIND_PROXY", "SPOTIFY_HOST_ID", "STAGING_DIR", "REFRESH_TOKEN", "SITE_NAME", "DEMO",
             "ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS", "SECRET_KEY_FALLBACKS", "TOP_TRACKS_LIMIT", "PORT"):  # fmt: skip
    os.environ.pop(name, None)

from spotify_top.settings import *  # noqa: E402, F403

# Not the project's: what `collectstatic` left there would change the pages.
STATIC_ROOT = Path(database.FOLDER) / "staticfiles"

if DATABASES["default"]["ENGINE"].endswith("sqlite3") and os.environ["TEST_DATABASE_URL"] != "memory":  # noqa: F405
    # A file, so that threads and other processes of the tests see it.
    DATABASES["default"]["TEST"] = {"NAME": f"{database.FOLDER}/test.sqlite3"}  # noqa: F405

# Each of the tests' browsers would read all static files anew.
WHITENOISE_AUTOREFRESH = True

# Quick to make and to check; what is about passwords sets the project's own.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
