"""What the operator is told by email and to NOTIFY_URL: once each."""

import json
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from smtplib import SMTPServerDisconnected
from typing import Any

import pytest
from django.core import mail
from django.core.mail import BadHeaderError
from django.core.management import CommandError, call_command
from django.utils import timezone

from simulator import Fault, Simulator
from tests.conftest import Browser
from tracks.models import Listener, Notice, Snapshot

pytestmark = pytest.mark.django_db

TOP = "/v1/me/top/tracks"


class Hook:
    """A server that keeps what is posted to it, and answers with `status`."""

    def __init__(self) -> None:
        self.posts: list[dict[str, Any]] = []
        self.status = 204
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                hook.posts.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(hook.status)
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook?key=1"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def hook(settings: Any) -> Iterator[Hook]:
    settings.ADMINS = [("", "ops@example.com")]
    settings.EMAIL_HOST = "mail.example.com"
    settings.SITE_URL = "https://top.example.com"
    hook = Hook()
    settings.NOTIFY_URL = hook.url
    yield hook
    hook.server.shutdown()
    hook.server.server_close()


def run() -> None:
    """A run of cron, a while after the one before."""
    try:
        call_command("refresh_top_tracks", "--force", verbosity=0)
    except CommandError:
        pass


def lapses_in(days: float) -> None:
    listener = Listener.objects.get()
    moment = timezone.now() + timedelta(days=days)
    # To within a day or two, as months have different lengths.
    listener.authorized_at = moment - timedelta(days=170)
    listener.authorized_at += moment - listener.sign_in_again_by
    Listener.objects.update(authorized_at=listener.authorized_at)


def kinds(hook: Hook) -> list[str]:
    return [post["kind"] for post in hook.posts]


def test_nothing_is_sent_while_all_is_well(listener: Listener, hook: Hook, django_assert_num_queries: Any) -> None:
    lapses_in(40)
    run()
    assert hook.posts == [] and mail.outbox == []


def test_the_sign_ins_end_is_told_30_and_7_days_before_and_on_the_day_once_each(listener: Listener, hook: Hook) -> None:
    for days in (27, 27, 20, 5, 5, 3, -3, -3):
        about = Listener.objects.get().authorized_at
        lapses_in(days)
        # Only the clock moves on: it is the same sign-in all the time.
        Notice.objects.filter(about=about).update(about=Listener.objects.get().authorized_at)
        run()
    assert kinds(hook) == ["sign_in_30_days", "sign_in_7_days", "sign_in_lapsed"]
    assert [message.to for message in mail.outbox] == [["ops@example.com"]] * 3
    assert "https://top.example.com/login" in mail.outbox[0].body
    assert hook.posts[0]["sign_in_url"] == "https://top.example.com/login"
    assert "ends the host's sign-in on" in hook.posts[0]["text"] and "ended" in hook.posts[2]["text"]


def test_a_notice_that_was_missed_is_not_sent_after_a_more_urgent_one(listener: Listener, hook: Hook) -> None:
    lapses_in(5)
    run()
    run()
    assert kinds(hook) == ["sign_in_7_days"]


def test_a_new_sign_in_starts_anew(host: Browser, hook: Hook) -> None:
    lapses_in(5)
    run()
    host.sign_in()
    run()
    lapses_in(5)
    run()
    assert kinds(hook) == ["sign_in_7_days"] * 2


def test_a_day_without_a_refresh_and_its_end_are_told_once_each(
    listener: Listener, hook: Hook, simulator: Simulator
) -> None:
    def age(hours: float) -> datetime:
        moment = timezone.now() - timedelta(hours=hours)
        Notice.objects.update(about=moment)
        Listener.objects.update(refreshed_at=moment)
        return moment

    simulator.fault(TOP, Fault(status=502))
    age(23)
    run()
    assert hook.posts == []
    for hours in (25, 26, 50):
        age(hours)
        run()
    assert kinds(hook) == ["failing"]
    simulator.clear_faults()
    run()
    run()
    assert kinds(hook) == ["failing", "recovered"]
    assert "No refresh has worked since" in mail.outbox[0].subject and "work again" in mail.outbox[1].subject


def test_a_notice_that_could_not_be_sent_is_tried_again(
    listener: Listener, hook: Hook, caplog: pytest.LogCaptureFixture
) -> None:
    lapses_in(5)
    hook.status = 500
    run()
    assert len(hook.posts) == 1 and not Notice.objects.filter(channel="webhook").exclude(sent_at=None).exists()
    assert "could not be sent" in caplog.text and "key=1" not in caplog.text
    hook.status = 204
    run()
    run()
    assert len(hook.posts) == 2


def overdue(simulator: Simulator) -> datetime:
    """No refresh has worked for 25 hours, and the operator knows."""
    moment = timezone.now() - timedelta(hours=25)
    Listener.objects.update(refreshed_at=moment)
    simulator.fault(TOP, Fault(status=502))
    run()
    simulator.clear_faults()
    return moment


def test_only_a_refresh_that_worked_is_told_as_one(listener: Listener, hook: Hook, simulator: Simulator) -> None:
    moment = overdue(simulator)
    assert kinds(hook) == ["failing"]
    Listener.objects.update(lease_until=timezone.now() + timedelta(seconds=30))
    run()  # busy
    Listener.objects.update(lease_until=None)
    Snapshot.objects.update(confirmed_at=timezone.now())
    call_command("refresh_top_tracks", verbosity=0)  # too soon
    assert Listener.objects.get().refreshed_at == moment
    assert kinds(hook) == ["failing"]
    run()
    assert kinds(hook) == ["failing", "recovered"] and len(mail.outbox) == 2


@pytest.mark.parametrize("cure", ["sign_in", "button", "machine"])
def test_a_recovery_is_told_whatever_cured_it(
    host: Browser, hook: Hook, simulator: Simulator, settings: Any, cure: str
) -> None:
    settings.REFRESH_TOKEN = "let me in"
    moment = overdue(simulator)
    Snapshot.objects.update(first_seen_at=moment, confirmed_at=moment)
    if cure == "sign_in":
        Browser().sign_in()
    elif cure == "button":
        host.press("/refresh", on="/")
    else:
        Browser().post("/refresh", HTTP_AUTHORIZATION="Bearer let me in")
    assert kinds(hook) == ["failing", "recovered"]


def test_a_recovery_is_told_of_a_host_whose_first_refresh_never_worked(
    host: Browser, hook: Hook, simulator: Simulator
) -> None:
    Listener.objects.update(authorized_at=timezone.now() - timedelta(hours=25))
    Listener.objects.update(refreshed_at=None)
    simulator.fault(TOP, Fault(status=502))
    run()
    simulator.clear_faults()
    Browser().sign_in()
    assert kinds(hook) == ["failing", "recovered"]


def test_a_recovery_that_could_not_be_told_is_told_after_the_next_refresh(
    listener: Listener, hook: Hook, simulator: Simulator
) -> None:
    overdue(simulator)
    hook.status = 500
    run()
    hook.status = 204
    run()
    run()
    assert kinds(hook) == ["failing", "recovered", "recovered"]
    assert len(mail.outbox) == 2


def test_a_failing_hook_does_not_repeat_the_mail(listener: Listener, hook: Hook) -> None:
    lapses_in(5)
    hook.status = 500
    run()
    run()
    assert len(hook.posts) == 2 and len(mail.outbox) == 1
    hook.status = 204
    run()
    run()
    assert len(hook.posts) == 3 and len(mail.outbox) == 1


@pytest.mark.parametrize("error", [SMTPServerDisconnected, ConnectionRefusedError, BadHeaderError, UnicodeError])
def test_a_failing_mail_server_does_not_keep_the_hook_from_being_told(
    listener: Listener, hook: Hook, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise error

    lapses_in(5)
    with monkeypatch.context() as patch:
        patch.setattr("tracks.ops.notices.mail_admins", fail)
        run()
        run()
    assert kinds(hook) == ["sign_in_7_days"] and mail.outbox == []
    run()
    assert kinds(hook) == ["sign_in_7_days"] and len(mail.outbox) == 1


def test_who_was_stopped_for_good_while_sending_is_taken_over(listener: Listener, hook: Hook) -> None:
    """SIGKILL: nobody gives the notice back."""
    lapses_in(5)
    about = Listener.objects.get().authorized_at
    Notice.objects.create(
        listener=listener, kind="sign_in_7_days", about=about, channel="webhook", tried_at=timezone.now()
    )
    run()
    assert hook.posts == []
    Notice.objects.filter(channel="webhook").update(tried_at=timezone.now() - timedelta(minutes=6))
    run()
    assert kinds(hook) == ["sign_in_7_days"]


def test_without_addresses_nothing_is_sent_and_nothing_breaks(listener: Listener, settings: Any) -> None:
    settings.ADMINS, settings.EMAIL_HOST, settings.NOTIFY_URL = [], "", ""
    lapses_in(-3)
    run()
    assert mail.outbox == []


def test_the_machines_refresh_tells_too(listener: Listener, hook: Hook, settings: Any) -> None:
    settings.REFRESH_TOKEN = "let me in"
    lapses_in(5)
    Browser().post("/refresh", HTTP_AUTHORIZATION="Bearer let me in")
    assert kinds(hook) == ["sign_in_7_days"]
