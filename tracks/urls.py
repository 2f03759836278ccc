"""The site's addresses. What a chart consists of stands twice: at / for the host, below /@handle/ for each listener."""

from django.urls import include, path, register_converter

from tracks.ops.health import health, live
from tracks.ops.metrics import metrics
from tracks.views import chart, data, history, listeners, me, refresh, search, share, site, year
from tracks.views.embed import embed, oembed
from tracks.views.feed import feed


class HandleConverter:
    """A handle in any case; it is looked up folded."""

    regex = "[A-Za-z0-9-]{1,30}"

    def to_python(self, value: str) -> str:
        return value.lower()

    def to_url(self, value: str) -> str:
        return value


class ArtistConverter:
    """An artist's key: Spotify's id, or `name:` and a digest where Spotify gave a name alone."""

    regex = "(?:name:)?[A-Za-z0-9]+"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(HandleConverter, "handle")
register_converter(ArtistConverter, "artist")

chart_patterns = [
    path("", chart.index, name="index"),
    path("artists/", chart.artists, name="artists"),
    path("artists/<artist:spotify_id>/", chart.artist, name="artist"),
    path("history/", history.history, name="history"),
    path("history/compare", history.compare, name="compare"),
    path("history/<int:pk>/", history.snapshot, name="snapshot"),
    path("tracks/<slug:spotify_id>/", chart.track, name="track"),
    path("year/<int:year>/", year.year, name="year"),
    path("card.png", share.card, {"kind": "card.png"}, name="card"),
    path("card-tall.png", share.card, {"kind": "card-tall.png"}, name="card_tall"),
    path("receipt.png", share.card, {"kind": "receipt.png"}, name="receipt"),
    path("receipt.svg", share.card, {"kind": "receipt.svg"}, name="receipt_svg"),
    path("year/<int:year>/<slug:line>.png", share.line, name="year_card"),
    path("search", search.page, name="search"),
    path("search.json", search.search_json, name="search_json"),
    path("feed.atom", feed, name="feed"),
    path("embed/", embed, name="embed"),
    path("tracks.json", data.tracks_json, name="tracks_json"),
    path("tracks.csv", data.tracks_csv, name="tracks_csv"),
    path("tracks/sql", data.tracks_sql, name="tracks_sql"),
    path("tracks/<slug:spotify_id>.json", data.track_json, name="track_json"),
    path("history.json", data.history_json, name="history_json"),
]

urlpatterns = [
    path("", include(chart_patterns)),
    path("@<handle:handle>/", include((chart_patterns, "tracks"), namespace="listener")),
    path("@<handle:handle>/with/<handle:other>/", listeners.meeting, name="meeting"),
    path("listeners/", listeners.listeners, name="listeners"),
    path("listeners.json", listeners.listeners_json, name="listeners_json"),
    path("openapi.json", data.openapi_json, name="openapi"),
    path("invite/<str:secret>/", listeners.invitation, name="invitation"),
    path("me/", me.me, name="me"),
    path("me/export", me.export, name="export"),
    path("me/invitations/", me.invite, name="invite"),
    path("me/invitations/<int:pk>/revoke", me.revoke, name="revoke"),
    path("me/listeners/<int:pk>/remove", me.remove, name="remove"),
    path("oembed", oembed, name="oembed"),
    path("privacy", site.privacy, name="privacy"),
    path("robots.txt", site.robots, name="robots"),
    path("site.webmanifest", site.manifest, name="manifest"),
    path("login", me.login, name="login"),
    path("logout", me.logout, name="logout"),
    path("disconnect", me.disconnect, name="disconnect"),
    path("refresh", refresh.refresh, name="refresh"),
    path("due.json", refresh.due, name="due"),
    path("live", live, name="live"),
    path("health", health, name="health"),
    path("metrics", metrics, name="metrics"),
]
