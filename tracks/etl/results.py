"""What a refresh reports back."""

from dataclasses import dataclass
from typing import Any

from django.contrib.humanize.templatetags.humanize import apnumber
from django.utils.text import get_text_list
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from tracks.etl.load import Change
from tracks.etl.transform import Table
from tracks.models import RefreshRun
from tracks.spotify.errors import RateLimited, SignInNeeded, SpotifyError, Unavailable

BUSY = "busy"
TOO_SOON = "too_soon"
DRY_RUN = "dry_run"
# There was no place in the quota.
WAITING = "waiting"
FINE = {RefreshRun.Outcome.REFRESHED, RefreshRun.Outcome.UNCHANGED, BUSY, TOO_SOON, DRY_RUN}


@dataclass(frozen=True, kw_only=True)
class RangeResult:
    """One time range of a refresh; extracted is loaded + rejected."""

    time_range: str
    page: dict[str, Any]
    table: Table
    change: Change | None = None

    @property
    def extracted(self) -> int:
        return len(self.page["items"])

    @property
    def loaded(self) -> int:
        return len(self.table.rows)

    @property
    def rejected(self) -> int:
        return len(self.table.rejects)

    @property
    def line(self) -> str:
        """The counts, and what changed, in words."""
        counts = f"{self.time_range}: {self.extracted} extracted, {self.loaded} loaded, {self.rejected} rejected"
        if self.change is None:
            return f"{counts}; nothing written"
        if self.change.first:
            return f"{counts}; the first chart"
        if not self.change.changed:
            return f"{counts}; unchanged"
        return f"{counts}; {self.change.new} new, {self.change.moved} moved, {self.change.left} left"


@dataclass(frozen=True, kw_only=True)
class RefreshResult:
    """How a refresh went: `outcome` is one of RefreshRun.Outcome, BUSY, TOO_SOON or DRY_RUN."""

    outcome: str
    summary: str
    ranges: tuple[RangeResult, ...] = ()
    warnings: tuple[str, ...] = ()
    error: SpotifyError | None = None
    error_code: str = ""

    @classmethod
    def of_error(cls, error: SpotifyError) -> "RefreshResult":
        """How a refresh ended that Spotify stopped."""
        return cls(outcome=_outcome(error), summary=str(error), error=error, error_code=error.code)

    @property
    def worked(self) -> bool:
        """Whether Spotify was asked and its answer is what the chart shows now."""
        return self.outcome in {RefreshRun.Outcome.REFRESHED, RefreshRun.Outcome.UNCHANGED}

    @property
    def ok(self) -> bool:
        return self.outcome in FINE

    def as_json(self) -> dict[str, Any]:
        return {
            "outcome": str(self.outcome),
            "message": self.summary,
            "time_ranges": [
                {"time_range": part.time_range, "extracted": part.extracted, "loaded": part.loaded,
                 "rejected": part.rejected}
                for part in self.ranges
            ],
            "warnings": list(self.warnings),
        }  # fmt: skip


def summarize(ranges: tuple[RangeResult, ...]) -> str:
    """One sentence for the host: what was loaded and what changed since last time."""
    loaded, rejected = sum(part.loaded for part in ranges), sum(part.rejected for part in ranges)
    if not loaded and not rejected:
        return _("Spotify has no top songs for this account yet; the list fills as you listen.")
    sentence = _lists([part.loaded for part in ranges])
    if rejected:
        left_out = ngettext(
            "%(n)d left out, as Spotify described it incompletely",
            "%(n)d left out, as Spotify described them incompletely",
            rejected,
        )
        sentence += f" ({left_out % {'n': rejected}})"
    changes = [part.change for part in ranges if part.change and not part.change.first]
    if not changes:
        return _("Refreshed: %(songs)s.") % {"songs": sentence}
    new, moved, left = (sum(getattr(change, name) for change in changes) for name in ("new", "moved", "left"))
    if not (new or moved or left):
        return _("Refreshed: %(songs)s; nothing changed.") % {"songs": sentence}
    return _("Refreshed: %(songs)s; %(new)d new, %(moved)d moved, %(left)d left.") % {
        "songs": sentence, "new": new, "moved": moved, "left": left,
    }  # fmt: skip


def _outcome(error: SpotifyError) -> str:
    match error:
        case RateLimited():
            return RefreshRun.Outcome.RATE_LIMITED
        case Unavailable():
            return RefreshRun.Outcome.UNAVAILABLE
        case SignInNeeded():
            return RefreshRun.Outcome.SIGN_IN_NEEDED
    return RefreshRun.Outcome.FAILED


def _lists(counts: list[int]) -> str:
    """How many songs each time range has: "three lists of 20 songs", "lists of 20, 20 and 7 songs"."""
    if len(counts) == 1:
        return ngettext("%(n)d song", "%(n)d songs", counts[0]) % {"n": counts[0]}
    if len(set(counts)) > 1:
        return _("lists of %(counts)s songs") % {"counts": get_text_list([str(n) for n in counts], _("and"))}
    lists = apnumber(len(counts))
    return ngettext("%(lists)s lists of %(n)d song", "%(lists)s lists of %(n)d songs", counts[0]) % {
        "lists": lists, "n": counts[0],
    }  # fmt: skip
