"""`manage.py refresh_top_tracks`, for cron: the exit codes are those of sysexits.h."""

import logging
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import InterfaceError, OperationalError, ProgrammingError
from django.utils import timezone

from tracks import handles
from tracks.etl.lease import LEAST_INTERVAL
from tracks.etl.results import BUSY, DRY_RUN, TOO_SOON, WAITING, RefreshResult
from tracks.etl.round import refresh_each
from tracks.etl.service import Patience, keep_house, preview, refresh
from tracks.models import Listener, RefreshRun, TimeRange

TRY_AGAIN_LATER = 75
SIGN_IN_NEEDED = 77
EXIT_CODES: dict[str, int] = {
    RefreshRun.Outcome.RATE_LIMITED: TRY_AGAIN_LATER,
    RefreshRun.Outcome.UNAVAILABLE: TRY_AGAIN_LATER,
    RefreshRun.Outcome.ABANDONED: TRY_AGAIN_LATER,
    RefreshRun.Outcome.SIGN_IN_NEEDED: SIGN_IN_NEEDED,
    WAITING: TRY_AGAIN_LATER,
}
LEFT_WAITING = "not refreshed this time; the next run does it."


class Command(BaseCommand):
    help = (
        "Refreshes the top tracks of every connected listener. Exits with 0 if the host's are done, unchanged or "
        "already at work, 75 to try again later, 77 if the host must sign in, 1 otherwise."
    )

    # `manage.py check` and `doctor` warn; here stderr is for the one reason of a failure, which cron mails.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--time-range",
            action="append",
            choices=TimeRange.values,
            help="only this one; may be repeated (default: all)",
        )
        parser.add_argument("--listener", action="append", metavar="HANDLE", help="only this one; may be repeated")
        parser.add_argument("--force", action="store_true", help="even if the charts are less than a minute old")
        parser.add_argument("--dry-run", action="store_true", help="ask Spotify and print the charts, store nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        # A polite stop of one closes its run, and of many lets those at work end; the default would leave their leases.
        self.is_over = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(TRY_AGAIN_LATER))
        if settings.DEBUG and options["verbosity"] < 2:
            # What it prints says the same.
            logging.getLogger("tracks").setLevel(logging.WARNING)
        try:
            self.refresh_all(options)
        except (OperationalError, InterfaceError, ProgrammingError) as error:
            if isinstance(error, ProgrammingError) or "no such table" in str(error):
                raise CommandError(
                    "The database has no tables of this version: run `manage.py migrate` first."
                ) from None
            raise CommandError(
                "The database cannot be reached or is busy; the last chart stays. Try again later.",
                returncode=TRY_AGAIN_LATER,
            ) from None

    def refresh_all(self, options: dict[str, Any]) -> None:
        listeners = self.named(options["listener"]) if options["listener"] else list(Listener.objects.all()[:2])
        if not listeners:
            raise CommandError(
                "Nobody has signed in yet: the host must sign in on the site first.", returncode=SIGN_IN_NEEDED
            )
        try:
            if len(listeners) == 1:
                self.refresh_one(listeners[0], options)
            else:
                self.refresh_many(listeners if options["listener"] else self.waiting(options), options)
        finally:
            if not options["dry_run"]:
                keep_house()

    def named(self, names: list[str]) -> list[Listener]:
        found = {}
        for name in names:
            listener = Listener.objects.filter(handle=handles.folded(name)).first()
            if listener is None:
                raise CommandError(f"There is no listener {handles.folded(name)}: the admin lists the handles.")
            found[listener.pk] = listener
        return list(found.values())

    def waiting(self, options: dict[str, Any]) -> list[Listener]:
        """Whom a round refreshes; and the host who must sign in again, because the exit code has to say so."""
        since = timezone.now() - (timedelta(0) if options["force"] else LEAST_INTERVAL)
        host = Listener.objects.filter(is_host=True).exclude(state=Listener.State.CONNECTED)
        return [*Listener.objects.waiting(since), *host]

    def refresh_one(self, listener: Listener, options: dict[str, Any]) -> None:
        result = self.work(options)(listener=listener, patience=Patience(seconds=float("inf")))
        self.report(listener, result, options["verbosity"])
        if not result.ok:
            raise CommandError(f"{listener}: {result.summary}", returncode=EXIT_CODES.get(result.outcome, 1))

    def refresh_many(self, listeners: list[Listener], options: dict[str, Any]) -> None:
        """All of them, a line each. The exit code is the host's or, for listeners that were named, the worst."""
        signal.signal(signal.SIGTERM, lambda *_: self.is_over.set())
        results = refresh_each(
            listeners, self.work(options), at_once=settings.REFRESH_CONCURRENCY, is_over=self.is_over
        )
        counts: Counter[str] = Counter()
        failures: list[tuple[int, str]] = []
        for listener, result in results:
            counts[WAITING if result is None else str(result.outcome)] += 1
            line = f"@{listener.handle}: {result.summary if result else LEFT_WAITING}"
            if options["dry_run"] and result:
                self.report(listener, result, options["verbosity"])
            elif result and options["verbosity"]:
                self.stdout.write(line)
            matters = listener.is_host or options["listener"]
            if matters and not (result and result.ok):
                failures.append((EXIT_CODES.get(result.outcome, 1) if result else TRY_AGAIN_LATER, line))
        names = sorted(counts, key=[*RefreshRun.Outcome.values, DRY_RUN, BUSY, TOO_SOON, WAITING].index)
        words = ", ".join(f"{counts[name]} {name.replace('_', ' ')}" for name in names)
        if options["verbosity"]:
            everybody = len(listeners) if options["listener"] else Listener.objects.count()
            self.stdout.write(f"{everybody} listeners: {words or 'nobody was due'}.")
        for code in (1, SIGN_IN_NEEDED, TRY_AGAIN_LATER):
            if lines := [line for found, line in failures if found == code]:
                raise CommandError("\n".join(lines), returncode=code)

    def work(self, options: dict[str, Any]) -> Callable[..., RefreshResult]:
        time_ranges = options["time_range"] or TimeRange.values
        if options["dry_run"]:
            return partial(preview, time_ranges=time_ranges)
        return partial(refresh, trigger=RefreshRun.Trigger.CRON, time_ranges=time_ranges, force=options["force"])

    def report(self, listener: Listener, result: RefreshResult, verbosity: int) -> None:
        for warning in result.warnings:
            self.stderr.write(warning)
        if verbosity == 0 and result.outcome != DRY_RUN:
            return
        if result.ok and not result.ranges:
            self.stdout.write(f"{listener}: {result.summary}")
        for part in result.ranges:
            self.stdout.write(f"{listener}: {part.line}")
            if result.outcome == DRY_RUN:
                for row in part.table.rows:
                    artists = ", ".join(artist.name for artist in row.artists)
                    self.stdout.write(f"  {row.position:>2}. {row.name} — {artists}")
            if verbosity > 1 or result.outcome == DRY_RUN:
                for reject in part.table.rejects:
                    self.stdout.write(f"  {reject.position:>2}. rejected: {reject.reason}")
