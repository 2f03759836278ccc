"""Settings of Top Twenty, all from the environment or from a `.env` file beside manage.py.

README.md lists every variable. A missing or malformed one ends the start with one line that names it.
"""

from datetime import timedelta
from pathlib import Path

from dotenv import load_dotenv

from spotify_top import env
from tracks.ops.logs import JSON_FORMATTER, add_request_id, drop_query, drop_secrets

BASE_DIR = Path(__file__).resolve().parent.parent
load_dotenv(BASE_DIR / ".env")

SECRET_KEY = env.required(
    "SECRET_KEY",
    'put a long random string there; python -c "import secrets; print(secrets.token_urlsafe(50))" makes one.',
)
SECRET_KEY_FALLBACKS = env.words("SECRET_KEY_FALLBACKS")
DEBUG = env.flag("DEBUG")
BEHIND_PROXY = env.flag("BEHIND_PROXY")
# How many proxies stand in front, each adding an address at the right of X-Forwarded-For.
TRUSTED_PROXIES = env.number("TRUSTED_PROXIES", 1, least=0, most=10)
PORT = env.number("PORT", 8000, least=1, most=65_535)
SITE_NAME = env.text("SITE_NAME", "Top Twenty")

# Spotify
SPOTIPY_CLIENT_ID = env.text("SPOTIPY_CLIENT_ID")
SPOTIPY_CLIENT_SECRET = env.text("SPOTIPY_CLIENT_SECRET")
SPOTIFY_HOST_ID = env.text("SPOTIFY_HOST_ID")
SPOTIFY_ACCOUNTS_URL = env.service_url("SPOTIFY_ACCOUNTS_URL", "https://accounts.spotify.com")
SPOTIFY_API_URL = env.service_url("SPOTIFY_API_URL", "https://api.spotify.com/v1")
TOP_TRACKS_LIMIT = env.number("TOP_TRACKS_LIMIT", 20, least=1, most=20)
# Days that former rankings are kept; 0 keeps none.
HISTORY_DAYS = env.number("HISTORY_DAYS", 365, least=0, most=36_500)
# Who may connect beside the host, and how many in all (the host counts, 0 is no limit): Development Mode's five.
LISTENERS = env.choice("LISTENERS", "host", among=("host", "invited", "open"))
MAX_LISTENERS = env.number("MAX_LISTENERS", 5, least=0, most=10_000_000)
# All calls together, over all processes: Spotify counts in windows of 30 seconds.
SPOTIFY_CALLS_PER_30_SECONDS = env.number("SPOTIFY_CALLS_PER_30_SECONDS", 60, least=1, most=100_000)
# How many listeners the command refreshes at a time, and after how many minutes a listener is due again.
REFRESH_CONCURRENCY = env.number("REFRESH_CONCURRENCY", 4, least=1, most=64)
REFRESH_MINUTES = env.number("REFRESH_MINUTES", 60, least=1, most=60 * 24 * 30)
# The queue's broker; without one, cron refreshes.
CELERY_BROKER_URL = env.broker_url("CELERY_BROKER_URL")
STAGING_DIR = env.folder("STAGING_DIR")
# Pictures to share; they are drawn by a process that takes up to 240 MB while it works.
CARDS = env.flag("CARDS", default=True)
REFRESH_TOKEN = env.text("REFRESH_TOKEN")
METRICS_TOKEN = env.text("METRICS_TOKEN")
# Set by `manage.py demo` alone, for the ribbon that says so.
DEMO = env.flag("DEMO")

# Loopback stays allowed: the health checks of containers ask there.
ALLOWED_HOSTS = [*env.hosts("ALLOWED_HOSTS"), "127.0.0.1", "localhost", "[::1]"]
CSRF_TRUSTED_ORIGINS = env.origins("CSRF_TRUSTED_ORIGINS")
for render_host in env.hosts("RENDER_EXTERNAL_HOSTNAME"):
    ALLOWED_HOSTS.append(render_host)
    CSRF_TRUSTED_ORIGINS.append(f"https://{render_host}")

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.humanize",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "axes",
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "tracks.signin",
    "tracks",
]

MIDDLEWARE = [
    "tracks.ops.metrics.RequestDurations",
    "tracks.ops.logs.RequestId",
    "tracks.ops.shared.middleware.SharedPages",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "django_permissions_policy.PermissionsPolicyMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "tracks.ops.bodies.SmallBodies",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "axes.middleware.AxesMiddleware",
    "spotify_top.debug.OwnNotFound",
]

ROOT_URLCONF = "spotify_top.urls"
WSGI_APPLICATION = "spotify_top.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "tracks.context_processors.site",
            ],
        },
    },
]

DATABASES = {
    "default": env.database(
        "DATABASE_URL",
        f"sqlite:///{BASE_DIR / 'db.sqlite3'}",
        # Set by gunicorn.conf.py alone: a command has a connection of its own.
        shared=env.flag("DATABASE_SHARED"),
    )
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Sign-in: with Spotify for the host, with a password for a superuser at /admin/login/
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
    "tracks.signin.backends.NoFurther",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "index"
LOGOUT_REDIRECT_URL = "index"
ACCOUNT_ADAPTER = "tracks.signin.adapter.AccountAdapter"
ACCOUNT_EMAIL_VERIFICATION = "none"
SOCIALACCOUNT_ADAPTER = "tracks.signin.adapter.SocialAccountAdapter"
SOCIALACCOUNT_ONLY = True
SOCIALACCOUNT_STORE_TOKENS = True
SOCIALACCOUNT_PROVIDERS = {
    "spotify": {
        "APP": {"client_id": SPOTIPY_CLIENT_ID, "secret": SPOTIPY_CLIENT_SECRET, "key": ""},
        "SCOPE": ["user-top-read"],
        # The dialog shows which account signs in; without it Spotify picks the one that the browser remembers.
        "AUTH_PARAMS": {"show_dialog": "true"},
        "OAUTH_PKCE_ENABLED": True,
    }
}

# Five wrong passwords for a user from an address lock both out together for a quarter of an hour.
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_CLIENT_IP_CALLABLE = "tracks.ops.limits.client_address"
AXES_LOCKOUT_CALLABLE = "tracks.ops.limits.locked_out"
AXES_RESET_ON_SUCCESS = True
AXES_DISABLE_ACCESS_LOG = True
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False
RATELIMIT_ENABLE = True
# Each worker counts for itself: a limit against floods needs no shared cache.
SILENCED_SYSTEM_CHECKS = ["django_ratelimit.E003", "django_ratelimit.W001"]

# Security. TLS ends at the proxy; without one this is plain http on a laptop or in a private network.
SESSION_ENGINE = "tracks.signin.sessions"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = BEHIND_PROXY
CSRF_FAILURE_VIEW = "tracks.error_pages.csrf_failure"
CSRF_COOKIE_SECURE = BEHIND_PROXY
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# The site uses none of them, and neither may what would get into it.
PERMISSIONS_POLICY: dict[str, list[str]] = {
    feature: []
    for feature in ("camera", "display-capture", "geolocation", "microphone", "midi", "payment", "usb", "serial", "hid",
                    "accelerometer", "gyroscope", "magnetometer", "fullscreen", "picture-in-picture")
}  # fmt: skip
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        # Covers lie on several hosts of Spotify's, the simulated ones on this machine.
        "img-src": ["'self'", "https:"] + (["http://127.0.0.1:*"] if SPOTIFY_API_URL.startswith("http:") else []),
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'", SPOTIFY_ACCOUNTS_URL],
        "frame-ancestors": ["'none'"],
    }
}
if BEHIND_PROXY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = True
    # Platforms ask for the health of a container over plain http.
    SECURE_REDIRECT_EXEMPT = [r"^health$", r"^live$"]
    SECURE_HSTS_SECONDS = 365 * 24 * 3600
    # HSTS for subdomains and preloading bind a whole domain: its owner decides that, not this site.
    SILENCED_SYSTEM_CHECKS += ["security.W005", "security.W021"]

# What the operator is told, and where: nothing while neither EMAIL_HOST with ADMINS nor NOTIFY_URL is set.
ADMINS = [("", address) for address in env.addresses("ADMINS")]
EMAIL_HOST = env.text("EMAIL_HOST")
EMAIL_PORT = env.number("EMAIL_PORT", 587, least=1, most=65_535)
EMAIL_HOST_USER = env.text("EMAIL_HOST_USER")
EMAIL_HOST_PASSWORD = env.text("EMAIL_HOST_PASSWORD")
EMAIL_USE_SSL = EMAIL_PORT == 465
EMAIL_USE_TLS = EMAIL_PORT == 587
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env.text("DEFAULT_FROM_EMAIL", "top-twenty@localhost")
EMAIL_SUBJECT_PREFIX = ""
NOTIFY_URL = env.service_url("NOTIFY_URL", "", query=True)
_public = [host for host in ALLOWED_HOSTS if host.strip("[]") not in env.LOOPBACK and host[0] not in ".*"]
SITE_URL = f"http{'s' if BEHIND_PROXY else ''}://{_public[0]}" if _public else f"http://127.0.0.1:{PORT}"

# No address takes a file: the file parts of a form are read and dropped, where Django would keep them on disk.
FILE_UPLOAD_HANDLERS: list[str] = []

# Pages
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("es", "Español")]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True
STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "spotify_top.storage.StaticStorage"},
}
WHITENOISE_USE_FINDERS = True

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": "{asctime} {levelname} {name} [{request_id}] {message}", "style": "{"},
        "json": JSON_FORMATTER,
    },
    "filters": {
        "nothing": {"()": "django.utils.log.CallbackFilter", "callback": lambda record: False},
        "request_id": {"()": "django.utils.log.CallbackFilter", "callback": add_request_id},
        "no_secrets": {"()": "django.utils.log.CallbackFilter", "callback": drop_secrets},
        "no_query": {"()": "django.utils.log.CallbackFilter", "callback": drop_query},
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "stream": "ext://sys.stderr" if DEBUG else "ext://sys.stdout",
            "formatter": "line" if DEBUG else "json",
            "filters": ["request_id", "no_secrets"],
        }
    },
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        "tracks": {"level": "WARNING" if DEMO else "INFO"},
        # By itself Django sends its errors to ADMINS too, and in development only to the console.
        "django": {"handlers": ["console"], "level": "INFO" if DEBUG else "WARNING", "propagate": False},
        # Scanners ask for other hosts all day; they get their 400 without a traceback.
        "django.security.DisallowedHost": {"handlers": [], "level": "CRITICAL", "propagate": False},
        # In development django.server says the same of each 404, and nobody watches the code being reloaded.
        "django.request": {"level": "ERROR" if DEBUG else "WARNING"},
        "django.utils.autoreload": {"level": "WARNING"},
        # What a worker does; each task has a line of its own as a refresh.
        "celery": {"level": "INFO"},
        "celery.app.trace": {"level": "WARNING"},
        "celery.worker.strategy": {"level": "WARNING"},
        "django.server": {
            "handlers": ["console"],
            "filters": ["no_query"],
            # What breaks; a visitor's slip in an address is no news.
            "level": "ERROR" if DEMO else "INFO",
            "propagate": False,
        },
        # spotipy writes bearer and refresh tokens into its messages: none passes, whatever levels are set.
        "spotipy.client": {"filters": ["nothing"]},
        "spotipy.oauth2": {"filters": ["nothing"]},
    },
}
