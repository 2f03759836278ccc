from django.urls import path

from tracks import views
from tracks.feed import TopTwentyFeed
from tracks.metrics import metrics

urlpatterns = [
    path("", views.index, name="index"),
    path("artists/", views.artists, name="artists"),
    path("history/", views.history, name="history"),
    path("history/<int:pk>/", views.snapshot, name="snapshot"),
    path("tracks/<slug:spotify_id>/", views.track, name="track"),
    path("privacy", views.privacy, name="privacy"),
    path("feed.atom", TopTwentyFeed(), name="feed"),
    path("robots.txt", views.robots, name="robots"),
    path("site.webmanifest", views.manifest, name="manifest"),
    path("login", views.login, name="login"),
    path("logout", views.logout, name="logout"),
    path("disconnect", views.disconnect, name="disconnect"),
    path("refresh", views.refresh, name="refresh"),
    path("tracks.json", views.tracks_json, name="tracks_json"),
    path("tracks.csv", views.tracks_csv, name="tracks_csv"),
    path("tracks/sql", views.tracks_sql, name="tracks_sql"),
    path("health", views.health, name="health"),
    path("metrics", metrics, name="metrics"),
]
