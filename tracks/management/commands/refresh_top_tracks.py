"""`manage.py refresh_top_tracks`, for cron: the exit codes are those of sysexits.h."""

import logging
import signal
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import InterfaceError, OperationalError, ProgrammingError

from tracks.etl.results import DRY_RUN, RefreshResult
from tracks.etl.service import preview, refresh
from tracks.models import Listener, RefreshRun, TimeRange

TRY_AGAIN_LATER = 75
SIGN_IN_NEEDED = 77
EXIT_CODES: dict[str, int] = {
    RefreshRun.Outcome.RATE_LIMITED: TRY_AGAIN_LATER,
    RefreshRun.Outcome.UNAVAILABLE: TRY_AGAIN_LATER,
    RefreshRun.Outcome.ABANDONED: TRY_AGAIN_LATER,
    RefreshRun.Outcome.SIGN_IN_NEEDED: SIGN_IN_NEEDED,
}


class Command(BaseCommand):
    help = (
        "Refreshes the top tracks of every connected listener. Exits with 0 if done, unchanged or already at work, "
        "75 to try again later, 77 if somebody must sign in, 1 otherwise."
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
        parser.add_argument("--force", action="store_true", help="even if the charts are less than a minute old")
        parser.add_argument("--dry-run", action="store_true", help="ask Spotify and print the charts, store nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        # A polite stop closes the run; the default would leave the lease to run out.
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
        listeners = list(Listener.objects.order_by("pk"))
        if not listeners:
            raise CommandError(
                "Nobody has signed in yet: the host must sign in on the site first.", returncode=SIGN_IN_NEEDED
            )
        failures = []
        for listener in listeners:
            result = self.refresh_one(listener, options)
            if not result.ok:
                failures.append((EXIT_CODES.get(result.outcome, 1), f"{listener}: {result.summary}"))
        for _, message in failures[:-1]:
            self.stderr.write(message)
        if failures:
            codes = {code for code, _ in failures}
            worst = next(code for code in (1, SIGN_IN_NEEDED, TRY_AGAIN_LATER) if code in codes)
            raise CommandError(failures[-1][1], returncode=worst)

    def refresh_one(self, listener: Listener, options: dict[str, Any]) -> RefreshResult:
        time_ranges = options["time_range"] or TimeRange.values
        if options["dry_run"]:
            result = preview(listener=listener, time_ranges=time_ranges)
        else:
            result = refresh(
                listener=listener, trigger=RefreshRun.Trigger.CRON, time_ranges=time_ranges, force=options["force"]
            )
        self.report(listener, result, options["verbosity"])
        return result

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
