"""The queue: `celery -A spotify_top worker` and `celery -A spotify_top beat`. Nothing else imports it.

The database is the truth, and the broker only carries: a message that is lost, doubled or late costs nothing.
Settings: docs.celeryq.dev, "Configuration and defaults".
"""

import os
import ssl
import sys

from celery import Celery
from celery.schedules import crontab
from celery.signals import setup_logging

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "spotify_top.settings")

from django.conf import settings

if not settings.CELERY_BROKER_URL:
    sys.exit("CELERY_BROKER_URL is not set: name the broker, such as redis://127.0.0.1:6379/0.")

# A task ends before: places in the quota 5 s, calls 10 s, the load; and so does a worker that is told to stop.
SOFT_SECONDS, HARD_SECONDS = 30, 40
# Above it, so that nothing at work is given to a second worker.
VISIBILITY_SECONDS = 120
DISPATCH_SECONDS = 60

app = Celery("spotify_top")
app.conf.update(
    broker_url=settings.CELERY_BROKER_URL,
    broker_connection_retry_on_startup=True,
    # None: for ever, also after the hundred times that are the default.
    broker_connection_max_retries=None,
    broker_connection_timeout=4,
    task_default_queue="top-twenty",
    task_ignore_result=True,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_soft_time_limit=SOFT_SECONDS,
    task_time_limit=HARD_SECONDS,
    worker_prefetch_multiplier=1,
    worker_concurrency=settings.REFRESH_CONCURRENCY,
    worker_redirect_stdouts=False,
    # Nothing on disk: all it remembers is that a minute has passed.
    beat_scheduler="celery.beat:Scheduler",
    beat_schedule={
        # One that was not taken within its minute has a younger one behind it.
        "dispatch": {"task": "tracks.tasks.dispatch", "schedule": DISPATCH_SECONDS, "options": {"expires": 55}},
        "housekeeping": {
            "task": "tracks.tasks.keep_house",
            "schedule": crontab(minute="37"),
            "options": {"expires": 1800},
        },
    },
)
if settings.CELERY_BROKER_URL.startswith(("redis", "sqs")):
    app.conf.broker_transport_options = {"visibility_timeout": VISIBILITY_SECONDS}
if settings.CELERY_BROKER_URL.startswith("redis"):
    # A broker that is gone without a word is noticed.
    app.conf.broker_transport_options |= {"socket_timeout": 10, "socket_keepalive": True}
if settings.CELERY_BROKER_URL.startswith(("rediss", "amqps")):
    app.conf.broker_use_ssl = {
        "ssl_cert_reqs" if "redis" in settings.CELERY_BROKER_URL[:6] else "cert_reqs": ssl.CERT_REQUIRED
    }
app.autodiscover_tasks(["tracks"])


@setup_logging.connect
def keep_logging(**kwargs: object) -> None:
    """The site's own (settings.LOGGING): a receiver of this signal is how Celery is told to leave it alone."""
