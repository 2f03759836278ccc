from django.urls import path

from tracks.ops.health import health, live
from tracks.ops.metrics import metrics
from tracks.ops.shared import shared
from tracks.views import chart, data, me, site
from tracks.views.feed import TopTwentyFeed

urlpatterns = [
    path("", chart.index, name="index"),
    path("artists/", chart.artists, name="artists"),
    path("history/", chart.history, name="history"),
    path("history/<int:pk>/", chart.snapshot, name="snapshot"),
    path("tracks/<slug:spotify_id>/", chart.track, name="track"),
    path("privacy", site.privacy, name="privacy"),
    path("feed.atom", shared()(TopTwentyFeed()), name="feed"),
    path("robots.txt", site.robots, name="robots"),
    path("site.webmanifest", site.manifest, name="manifest"),
    path("login", me.login, name="login"),
    path("logout", me.logout, name="logout"),
    path("disconnect", me.disconnect, name="disconnect"),
    path("refresh", me.refresh, name="refresh"),
    path("tracks.json", data.tracks_json, name="tracks_json"),
    path("tracks.csv", data.tracks_csv, name="tracks_csv"),
    path("tracks/sql", data.tracks_sql, name="tracks_sql"),
    path("live", live, name="live"),
    path("health", health, name="health"),
    path("metrics", metrics, name="metrics"),
]
