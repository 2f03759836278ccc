"""What the service remembers: whose songs, which songs, each distinct ranking, and how each refresh went."""

import calendar
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Self, TypedDict

from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from tracks import derived, handles

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

TEXT_LIMIT = 1000
# Pages show a cover at 300 px at most, on screens of up to three pixels a px.
COVER_WIDTH = 300


class TimeRange(models.TextChoices):
    """Over what time Spotify ranks, in its own spelling (GET /v1/me/top/tracks)."""

    SHORT_TERM = "short_term", _("Last 4 weeks")
    MEDIUM_TERM = "medium_term", _("Last 6 months")
    LONG_TERM = "long_term", _("Last year")

    @property
    def headline(self) -> "StrPromise":
        """What the chart of this time is; `% {"n": songs}` puts the number in, and chooses the plural."""
        match self:
            case TimeRange.SHORT_TERM:
                return ngettext_lazy("The top song of the last 4 weeks", "Top %(n)d songs of the last 4 weeks", "n")
            case TimeRange.MEDIUM_TERM:
                return ngettext_lazy("The top song of the last 6 months", "Top %(n)d songs of the last 6 months", "n")
            case TimeRange.LONG_TERM:
                return ngettext_lazy("The top song of the last year", "Top %(n)d songs of the last year", "n")

    @property
    def in_sentence(self) -> "StrPromise":
        """The time within a sentence."""
        match self:
            case TimeRange.SHORT_TERM:
                return _("last 4 weeks")
            case TimeRange.MEDIUM_TERM:
                return _("last 6 months")
            case TimeRange.LONG_TERM:
                return _("last year")


class ListenerQuerySet(models.QuerySet["Listener"]):
    def host(self) -> "Listener | None":
        """The host, with the account; None before the first sign-in."""
        return self.filter(is_host=True).select_related("account").first()

    def waiting(self, since: datetime) -> Self:
        """The connected ones who wait since before then, longest-waiting first: since their charts were last confirmed
        or, where they never were, since the sign-in.

        A moment far in the future was written by a clock that was wrong, and counts as long ago.
        """
        connected = self.filter(state=Listener.State.CONNECTED).alias(since=Coalesce("refreshed_at", "authorized_at"))
        waiting = connected.filter(Q(since__lt=since) | Q(since__gt=since + timedelta(days=1)))
        return waiting.order_by("since", "pk")

    def due(self, now: datetime) -> Self:
        """The connected ones whose next refresh is due, longest-waiting first."""
        return self.filter(due_at__lte=now, state=Listener.State.CONNECTED).order_by("due_at", "pk")

    def public(self) -> Self:
        """Those on /listeners/, the host first, then by handle."""
        return self.filter(visibility=Listener.Visibility.PUBLIC).order_by("-is_host", "handle")


class Listener(models.Model):
    """One connected Spotify account. Deleting it deletes everything of that person."""

    class State(models.TextChoices):
        CONNECTED = "connected", _("connected")
        NEEDS_SIGN_IN = "needs_sign_in", _("needs sign-in")

    class Visibility(models.TextChoices):
        PRIVATE = "private", _("private: you alone")
        UNLISTED = "unlisted", _("unlisted: who has the link")
        PUBLIC = "public", _("public: on the list of listeners")

    account = models.OneToOneField(SocialAccount, on_delete=models.CASCADE, related_name="listener")
    is_host = models.BooleanField(_("host"), default=False)
    handle = models.CharField(max_length=handles.LONGEST, unique=True, default=handles.random_handle)
    name = models.CharField(max_length=80, blank=True, help_text=_("What the person calls themselves here."))
    visibility = models.CharField(max_length=10, choices=Visibility, default=Visibility.PRIVATE)
    # For pages that are kept: a new name, handle or visibility is a new version.
    changed_at = models.DateTimeField(default=timezone.now)
    state = models.CharField(max_length=20, choices=State, default=State.CONNECTED)
    authorized_at = models.DateTimeField()
    refreshed_at = models.DateTimeField(
        null=True, blank=True, help_text=_("When the charts were last confirmed or changed.")
    )
    lease_until = models.DateTimeField(
        null=True, blank=True, help_text=_("Until when a refresh at work holds the lease.")
    )
    due_at = models.DateTimeField(
        null=True, blank=True, default=timezone.now, db_index=True, help_text=_("When the next refresh is due.")
    )
    failures = models.PositiveSmallIntegerField(default=0, help_text=_("Refreshes that failed one after the other."))
    handed_out_until = models.DateTimeField(
        null=True, blank=True, help_text=_("Until when a task of the queue is taken to be on its way.")
    )

    objects = ListenerQuerySet.as_manager()

    class Meta:
        # For those who wait longest (`due_at` has one of its own), and for the few whom no refresh visits.
        indexes = [
            models.Index(Coalesce("refreshed_at", "authorized_at"), F("id"), name="listener_longest_waiting"),
            models.Index(fields=["id"], condition=Q(state="needs_sign_in"), name="listener_needs_sign_in"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["is_host"], condition=Q(is_host=True), name="one_host"),
            models.CheckConstraint(condition=Q(state__in=["connected", "needs_sign_in"]), name="listener_state_known"),
            models.CheckConstraint(
                condition=Q(visibility__in=["private", "unlisted", "public"]), name="listener_visibility_known"
            ),
            models.CheckConstraint(condition=Q(is_host=False) | Q(visibility="public"), name="host_is_public"),
        ]

    def __str__(self) -> str:
        return f"{'Host' if self.is_host else 'Listener'} {self.pk}"

    @property
    def called(self) -> str:
        """What pages call this person: the name, or the handle; "" for a host without a name, who is "the host"."""
        return self.name or ("" if self.is_host else f"@{self.handle}")

    def is_visible_to(self, user: User | AnonymousUser) -> bool:
        """Whether this person may see the listener's pages. `account` should be loaded."""
        return self.visibility != self.Visibility.PRIVATE or self.is_user(user)

    def is_user(self, user: User | AnonymousUser) -> bool:
        """Whether this is the person who is signed in."""
        return user.is_authenticated and self.account.user_id == user.pk

    @property
    def sign_in_again_by(self) -> datetime:
        """When the sign-in lapses: six calendar months after it (Spotify, blog/2026-06-18-refresh-token-expiration)."""
        month = self.authorized_at.month + 6
        year, month = self.authorized_at.year + (month > 12), (month - 1) % 12 + 1
        day = min(self.authorized_at.day, calendar.monthrange(year, month)[1])
        return self.authorized_at.replace(year=year, month=month, day=day)

    @property
    def has_lapsed(self) -> bool:
        return self.sign_in_again_by <= timezone.now()

    @property
    def lapses_soon(self) -> bool:
        """Whether the sign-in lapses within 30 days."""
        return self.sign_in_again_by - timezone.now() < timedelta(days=30)


class InvitationQuerySet(models.QuerySet["Invitation"]):
    def open(self) -> Self:
        """Those that still let somebody in, newest first."""
        return self.filter(used_at=None, expires_at__gt=timezone.now()).order_by("-created_at")


class Invitation(models.Model):
    """A link that lets one person in, once. The secret in it is not stored, only its digest."""

    digest = models.CharField(max_length=64, unique=True)
    made_by = models.ForeignKey(Listener, on_delete=models.CASCADE, related_name="invitations")
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    objects = InvitationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(expires_at__gt=F("created_at")), name="expires_after_created"),
        ]

    def __str__(self) -> str:
        return f"until {self.expires_at:%Y-%m-%d %H:%M} UTC"


class Refusal(models.Model):
    """That Spotify refused somebody who wanted to sign in, because the app's dashboard does not name them; not who."""

    at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} UTC"


class UserSession(AbstractBaseSession):
    """A session, of a user or of somebody who is about to sign in. Deleting the user ends it."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="sessions")

    @classmethod
    def get_session_store_class(cls) -> type[SessionBase]:
        store: type[SessionBase] = import_string(f"{settings.SESSION_ENGINE}.SessionStore")
        return store


class Cover(TypedDict):
    """A picture of a track; the width is in pixels, None where Spotify does not say."""

    url: str
    width: int | None


class Artist(models.Model):
    """An artist, keyed by Spotify's id, or by `name:` and a digest where Spotify gave a name alone."""

    spotify_id = models.CharField(max_length=TEXT_LIMIT, primary_key=True)
    name = models.CharField(max_length=TEXT_LIMIT)
    url = models.CharField(max_length=TEXT_LIMIT, blank=True)

    def __str__(self) -> str:
        return self.name


class TrackQuerySet(models.QuerySet["Track"]):
    def with_artists(self) -> Self:
        """Each with its credits and their artists: two queries in all."""
        return self.prefetch_related(models.Prefetch("credits", Credit.objects.select_related("artist")))


class Track(models.Model):
    """What a track is, as Spotify last described it."""

    class ReleasePrecision(models.TextChoices):
        DAY = "day", _("day")
        MONTH = "month", _("month")
        YEAR = "year", _("year")

    spotify_id = models.CharField(max_length=TEXT_LIMIT, primary_key=True)
    name = models.CharField(max_length=TEXT_LIMIT)
    artists = models.ManyToManyField(Artist, through="Credit", related_name="tracks")
    album = models.CharField(max_length=TEXT_LIMIT, blank=True)
    release_date = models.CharField(max_length=10, blank=True, help_text=_("YYYY, YYYY-MM or YYYY-MM-DD"))
    release_date_precision = models.CharField(max_length=5, choices=ReleasePrecision, blank=True)
    duration_ms = models.PositiveIntegerField()
    explicit = models.BooleanField(default=False)
    popularity = models.PositiveSmallIntegerField(null=True, blank=True, help_text=_("0 to 100; empty is unknown"))
    url = models.CharField(max_length=TEXT_LIMIT)
    # Of dictionaries as in Cover.
    covers = models.JSONField(default=list, blank=True, help_text=_("addresses and widths, largest first"))
    # Title, album and artists as they are looked for (tracks.folding); the load fills it.
    folded = models.TextField(blank=True, default="", db_default="", editable=False)

    objects = TrackQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(duration_ms__lte=24 * 3600 * 1000), name="duration_at_most_a_day"),
            models.CheckConstraint(condition=Q(popularity__lte=100), name="popularity_at_most_100"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def release_year(self) -> int | None:
        return derived.year(self.release_date)

    @property
    def album_repeats_title(self) -> bool:
        return derived.repeats(self.album, self.name)

    @property
    def duration_min(self) -> Decimal:
        """In minutes, to two places."""
        return derived.minutes(self.duration_ms)

    @property
    def image_url(self) -> str:
        return derived.cover(self.covers, width=COVER_WIDTH)

    @property
    def srcset(self) -> str:
        """Every cover whose width is known, for screens with more pixels than one a px (HTML, "srcset")."""
        return ", ".join(f"{cover['url']} {cover['width']}w" for cover in self.covers if cover["width"])

    @property
    def credited_artists(self) -> list[Artist]:
        """The artists in the order of the credits."""
        return [credit.artist for credit in self.credits.all()]

    @property
    def artist(self) -> str:
        """The names of all credited artists, in one line."""
        return ", ".join(artist.name for artist in self.credited_artists)

    @property
    def duration(self) -> str:
        """Minutes and seconds, rounded to the second: 239,600 ms is 4:00."""
        minutes, seconds = divmod((self.duration_ms + 500) // 1000, 60)
        return f"{minutes}:{seconds:02}"


class Credit(models.Model):
    """That an artist is named on a track, and in which place."""

    track = models.ForeignKey(Track, on_delete=models.CASCADE, related_name="credits")
    position = models.PositiveSmallIntegerField()
    artist = models.ForeignKey(Artist, on_delete=models.CASCADE, related_name="credits")

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["track", "position"], name="one_credit_a_position"),
            models.UniqueConstraint(fields=["track", "artist"], name="one_credit_an_artist"),
        ]

    def __str__(self) -> str:
        return f"{self.artist} on {self.track}"


class SnapshotQuerySet(models.QuerySet["Snapshot"]):
    def newest_first(self) -> Self:
        return self.order_by("-first_seen_at")

    def ends(self) -> Self:
        """The oldest and the newest of these, oldest first, found by the index however many there are."""
        orders = ("first_seen_at", "-first_seen_at")
        return self.filter(
            pk__in=[models.Subquery(self.order_by(order).values("pk")[:1]) for order in orders]
        ).order_by("first_seen_at")

    def last_seen_before(self, moment: datetime) -> Self:
        """By the index on first_seen_at, which is never after confirmed_at."""
        return self.filter(first_seen_at__lt=moment, confirmed_at__lt=moment)

    def current(self, listener: Listener, time_ranges: Iterable[str]) -> Self:
        """The newest snapshot of each time range, found by the index however long the history is."""
        newest = [
            models.Subquery(
                self.model._default_manager.filter(listener=listener, time_range=time_range)
                .order_by("-first_seen_at")
                .values("pk")[:1]
            )
            for time_range in time_ranges
        ]
        return self.filter(pk__in=newest)


class Snapshot(models.Model):
    """One distinct ranking of a listener. An unchanged ranking only moves `confirmed_at`."""

    listener = models.ForeignKey(Listener, on_delete=models.CASCADE, related_name="snapshots")
    time_range = models.CharField(max_length=20, choices=TimeRange)
    first_seen_at = models.DateTimeField()
    confirmed_at = models.DateTimeField()

    objects = SnapshotQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["listener", "-first_seen_at"], name="snapshot_listener_newest")]
        constraints = [
            models.UniqueConstraint(fields=["listener", "time_range", "first_seen_at"], name="one_snapshot_a_moment"),
            models.CheckConstraint(
                condition=Q(confirmed_at__gte=F("first_seen_at")), name="confirmed_after_first_seen"
            ),
            models.CheckConstraint(condition=Q(time_range__in=TimeRange.values), name="snapshot_time_range_known"),
        ]

    def __str__(self) -> str:
        return f"{self.get_time_range_display()}, {self.first_seen_at:%Y-%m-%d %H:%M} UTC"

    @property
    def entries(self) -> list["Placement"]:
        """The placements of songs that were not in the table before."""
        return [placement for placement in self.placements.all() if placement.entry]


class PlacementQuerySet(models.QuerySet["Placement"]):
    def with_tracks(self) -> Self:
        """In order of position, each with its track and that track's artists: two queries in all."""
        return (
            self.select_related("track")
            .prefetch_related(models.Prefetch("track__credits", Credit.objects.select_related("artist")))
            .order_by("position")
        )


class Placement(models.Model):
    """A track's position in a snapshot: Spotify's own number, so a rejected item leaves its number out.

    `previous_position` and `entry` compare with the snapshot before it; both are empty where there was none.
    """

    class Entry(models.TextChoices):
        NEW = "new", _("new")
        BACK = "back", _("back")

    # Without indexes of their own: a snapshot's rows are found by the constraint that begins with it, and Django would
    # give a track's text two.
    snapshot = models.ForeignKey(Snapshot, on_delete=models.CASCADE, related_name="placements", db_index=False)
    position = models.PositiveSmallIntegerField()
    track = models.ForeignKey(Track, on_delete=models.PROTECT, related_name="placements", db_index=False)
    previous_position = models.PositiveSmallIntegerField(null=True, blank=True)
    entry = models.CharField(max_length=4, choices=Entry, blank=True)

    objects = PlacementQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["track"], name="placements_of_a_track")]
        constraints = [
            models.UniqueConstraint(fields=["snapshot", "position"], name="one_track_a_position"),
            models.UniqueConstraint(fields=["snapshot", "track"], name="one_position_a_track"),
            models.CheckConstraint(condition=Q(position__gte=1), name="position_from_1"),
            models.CheckConstraint(
                condition=Q(previous_position=None) | Q(entry=""), name="entered_or_had_a_position_before"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.position}. {self.track}"

    @property
    def climb(self) -> int | None:
        """Places gained since the snapshot before, negative for places lost; None for an entry."""
        return None if self.previous_position is None else self.previous_position - self.position

    @property
    def drop(self) -> int | None:
        """Places lost."""
        return None if self.climb is None else -self.climb

    @property
    def movement(self) -> str:
        """One of up, down, same, new and back, or "" where there is nothing to compare with."""
        if self.climb is None:
            return self.entry
        return "up" if self.climb > 0 else "down" if self.climb < 0 else "same"


class Card(models.Model):
    """A picture of a chart, as it is served. Only the newest snapshot of a listener and time range keeps any."""

    snapshot = models.ForeignKey(Snapshot, on_delete=models.CASCADE, related_name="cards", db_index=False)
    kind = models.CharField(max_length=40, help_text=_("The end of its address."))
    language = models.CharField(max_length=10)
    # What it was drawn with, beside the chart: where one of them is another now, it is drawn anew.
    design = models.CharField(max_length=12)
    listener_changed_at = models.DateTimeField()
    # SVG is compressed (gzip), PNG is as it is.
    body = models.BinaryField()
    digest = models.CharField(max_length=32, help_text=_("SHA-256 of what is served, shortened."))

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["snapshot", "kind", "language"], name="one_card_of_a_kind_a_language"),
        ]

    def __str__(self) -> str:
        return f"{self.kind}, {self.language}"


class RefreshRun(models.Model):
    """How one refresh went, good or bad."""

    class Trigger(models.TextChoices):
        CRON = "cron", _("command")
        HOST = "host", _("host")
        SIGN_IN = "sign_in", _("sign-in")
        MACHINE = "machine", _("machine")
        QUEUE = "queue", _("queue")

    class Outcome(models.TextChoices):
        RUNNING = "running", _("at work")
        REFRESHED = "refreshed", _("refreshed")
        UNCHANGED = "unchanged", _("unchanged")
        RATE_LIMITED = "rate_limited", _("Spotify says wait")
        UNAVAILABLE = "unavailable", _("Spotify unavailable")
        SIGN_IN_NEEDED = "sign_in_needed", _("sign in again")
        FAILED = "failed", _("failed")
        ABANDONED = "abandoned", _("stopped midway")

    listener = models.ForeignKey(Listener, on_delete=models.CASCADE, related_name="runs")
    trigger = models.CharField(max_length=20, choices=Trigger)
    time_ranges = models.JSONField(default=list)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=20, choices=Outcome, default=Outcome.RUNNING)
    extracted = models.PositiveSmallIntegerField(default=0)
    loaded = models.PositiveSmallIntegerField(default=0)
    rejected = models.PositiveSmallIntegerField(default=0)
    rejects = models.JSONField(default=list, blank=True)
    error_code = models.CharField(max_length=40, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["listener", "-started_at"], name="run_listener_started"),
            models.Index(fields=["started_at"], name="run_started"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(extracted=F("loaded") + F("rejected")), name="run_counts_add_up"),
        ]

    def __str__(self) -> str:
        return f"{self.started_at:%Y-%m-%d %H:%M} UTC, {self.get_outcome_display()}"

    @property
    def has_worked(self) -> bool:
        return self.outcome in (self.Outcome.REFRESHED, self.Outcome.UNCHANGED)


class Notice(models.Model):
    """What the operator is told about a listener, once on each channel. `about` is the moment it refers to."""

    class Channel(models.TextChoices):
        EMAIL = "email", _("email")
        WEBHOOK = "webhook", _("webhook")

    class Kind(models.TextChoices):
        THIRTY_DAYS = "sign_in_30_days", _("sign-in lapses in 30 days")
        SEVEN_DAYS = "sign_in_7_days", _("sign-in lapses in 7 days")
        LAPSED = "sign_in_lapsed", _("sign-in lapsed")
        FAILING = "failing", _("no refresh for a day")
        RECOVERED = "recovered", _("refreshes work again")
        LISTENERS = "listeners_lapsed", _("listeners must sign in again")

    listener = models.ForeignKey(Listener, on_delete=models.CASCADE, related_name="notices")
    kind = models.CharField(max_length=20, choices=Kind)
    about = models.DateTimeField()
    channel = models.CharField(max_length=10, choices=Channel)
    tried_at = models.DateTimeField(null=True, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["listener", "kind", "about", "channel"], name="one_notice_of_a_kind_a_channel"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}, {self.get_channel_display()}"


class SpotifyQuota(models.Model):
    """How many calls were given away in each of the last seconds, over all processes. At most one row."""

    # Of pairs: the second (since the epoch, by the database's clock), and the calls.
    calls = models.JSONField(default=list)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(pk=1), name="one_quota")]

    def __str__(self) -> str:
        return f"{sum(count for _, count in self.calls)} calls"


class SpotifyPause(models.Model):
    """Until when Spotify told the whole app not to call one of its services (429, Retry-After): a row for each."""

    class Service(models.TextChoices):
        ACCOUNTS = "accounts", _("accounts")
        API = "api", _("Web API")

    service = models.CharField(max_length=10, choices=Service, unique=True)
    until = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.get_service_display()}, until {self.until:%Y-%m-%d %H:%M} UTC"


class CodeExchanges(models.Model):
    """How many codes of sign-ins the whole site exchanged for tokens in the minute since `since`. At most one row."""

    since = models.DateTimeField()
    count = models.PositiveSmallIntegerField()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(pk=1), name="one_count_of_exchanges")]

    def __str__(self) -> str:
        return f"{self.count} since {self.since:%Y-%m-%d %H:%M:%S} UTC"


class Dispatch(models.Model):
    """When the queue last handed out what is due: proof that its beat and a worker live. At most one row."""

    at = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(pk=1), name="one_dispatch")]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} UTC"
