"""The admin, for looking: the refresh owns these rows, so nobody edits them here."""

from typing import Any

from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth.models import User
from django.db import DataError
from django.db.models import Count, Exists, Model, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from tracks.etl.service import refresh
from tracks.models import Artist, Credit, Invitation, Listener, Placement, RefreshRun, Snapshot, Track

# allauth registers these: tokens and credentials do not belong on a page, and the rest is empty here.
for model in (SocialApp, SocialToken, SocialAccount, EmailAddress):
    admin.site.unregister(model)


class ReadOnly:
    """Neither adds, nor changes, nor deletes."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class ReadOnlyAdmin(ReadOnly, admin.ModelAdmin):
    """Treats what the database cannot hold, such as a NUL byte in an address, as something that is not there.

    A superuser sees all rows; anyone else, the host, those of their own charts alone.
    """

    def own(self, rows: QuerySet, user_id: int | None) -> QuerySet:
        """Those of the rows that belong to the charts of this user."""
        raise NotImplementedError

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        rows: QuerySet = super().get_queryset(request)
        return rows if _sees_all(request) else self.own(rows, request.user.pk)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Whoever sees their own rows alone filters by what stands in them: a relation would tell of others' rows."""
        if not _sees_all(request):
            columns = {field.name for field in self.opts.concrete_fields if not field.is_relation}
            if lookup.split("__")[0] not in columns:
                return False
        return super().lookup_allowed(lookup, value, request)

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        try:
            return super().get_changelist_instance(request)
        except (DataError, OverflowError):
            raise IncorrectLookupParameters from None

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Model | None:
        try:
            return super().get_object(request, object_id, from_field)
        except DataError:
            return None


def _sees_all(request: HttpRequest) -> bool:
    return isinstance(request.user, User) and request.user.is_superuser


def _placements_of(user_id: int | None) -> QuerySet[Placement]:
    return Placement.objects.filter(snapshot__listener__account__user=user_id)


class CreditInline(ReadOnly, admin.TabularInline):
    model = Credit
    fields = ["position", "artist"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Credit]:
        return super().get_queryset(request).select_related("track", "artist")


@admin.register(Track)
class TrackAdmin(ReadOnlyAdmin):
    list_display = ["name", "artist", "album", "release_date", "duration", "popularity", "explicit"]
    list_filter = ["explicit", "release_date_precision"]
    search_fields = ["name", "album", "artists__name", "spotify_id"]
    inlines = [CreditInline]

    def own(self, rows: QuerySet, user_id: int | None) -> QuerySet:
        return rows.filter(Exists(_placements_of(user_id).filter(track=OuterRef("pk"))))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Track]:
        return super().get_queryset(request).prefetch_related("credits__artist")


@admin.register(Artist)
class ArtistAdmin(ReadOnlyAdmin):
    list_display = ["name", "track_count", "spotify_id"]
    search_fields = ["name", "spotify_id"]

    def own(self, rows: QuerySet, user_id: int | None) -> QuerySet:
        return rows.filter(Exists(_placements_of(user_id).filter(track__credits__artist=OuterRef("pk"))))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Artist]:
        # Of the host's own tracks too: a count tells of others' charts as well.
        counted = Q() if _sees_all(request) else Q(credits__track__in=_placements_of(request.user.pk).values("track"))
        artists: QuerySet[Artist] = super().get_queryset(request).annotate(track_count=Count("credits", filter=counted))
        return artists

    @admin.display(description=_("tracks"), ordering="track_count")
    def track_count(self, artist: Any) -> int:
        count: int = artist.track_count
        return count


class PlacementInline(ReadOnly, admin.TabularInline):
    model = Placement
    fields = ["position", "track"]
    ordering = ["position"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Placement]:
        return super().get_queryset(request).select_related("track")


@admin.register(Snapshot)
class SnapshotAdmin(ReadOnlyAdmin):
    list_display = ["first_seen_at", "confirmed_at", "time_range", "listener", "placement_count"]
    list_filter = ["time_range"]
    date_hierarchy = "first_seen_at"
    ordering = ["-first_seen_at"]
    list_select_related = ["listener"]
    inlines = [PlacementInline]

    def own(self, rows: QuerySet, user_id: int | None) -> QuerySet:
        return rows.filter(listener__account__user=user_id)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Snapshot]:
        snapshots: QuerySet[Snapshot] = super().get_queryset(request).annotate(placement_count=Count("placements"))
        return snapshots

    @admin.display(description=_("tracks"))
    def placement_count(self, snapshot: Any) -> int:
        count: int = snapshot.placement_count
        return count


@admin.register(RefreshRun)
class RefreshRunAdmin(ReadOnlyAdmin):
    list_display = ["started_at", "listener", "trigger", "outcome", "extracted", "loaded", "rejected", "error_code"]
    list_filter = ["outcome", "trigger"]
    search_fields = ["error_code"]
    date_hierarchy = "started_at"
    ordering = ["-started_at"]
    list_select_related = ["listener"]

    def own(self, rows: QuerySet, user_id: int | None) -> QuerySet:
        return rows.filter(listener__account__user=user_id)


@admin.register(Listener)
class ListenerAdmin(ReadOnlyAdmin):
    list_display = ["__str__", "handle", "visibility", "state", "authorized_at", "sign_in_again_by", "due_at"]
    list_filter = ["state", "is_host", "visibility"]
    search_fields = ["handle", "name"]
    fields = ["is_host", "handle", "name", "visibility", "state", "authorized_at", "sign_in_again_by", "refreshed_at",
              "due_at", "lease_until"]  # fmt: skip
    readonly_fields = ["sign_in_again_by"]
    actions = ["refresh_now"]

    def own(self, rows: QuerySet, user_id: int | None) -> QuerySet:
        return rows.filter(account__user=user_id)

    @admin.action(description=_("Refresh now"), permissions=["view"])
    def refresh_now(self, request: HttpRequest, queryset: QuerySet[Listener]) -> None:
        for listener in queryset:
            result = refresh(listener=listener, trigger=RefreshRun.Trigger.HOST)
            level = messages.SUCCESS if result.ok else messages.WARNING
            self.message_user(request, f"{listener}: {result.summary}", level)


@admin.register(Invitation)
class InvitationAdmin(ReadOnlyAdmin):
    list_display = ["created_at", "expires_at", "used_at", "made_by"]
    # The digest is of no use to anybody.
    fields = ["made_by", "created_at", "expires_at", "used_at"]
    date_hierarchy = "created_at"
    ordering = ["-created_at"]
    list_select_related = ["made_by"]

    def own(self, rows: QuerySet, user_id: int | None) -> QuerySet:
        return rows.filter(made_by__account__user=user_id)
