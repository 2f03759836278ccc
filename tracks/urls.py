from django.contrib.auth.views import LogoutView
from django.urls import path

from tracks import views

urlpatterns = [
    path("", views.index, name="index"),
    path("login", views.login, name="login"),
    path("logout", LogoutView.as_view(), name="logout"),
    path("disconnect", views.disconnect, name="disconnect"),
    path("refresh", views.refresh, name="refresh"),
    path("tracks.json", views.tracks_json, name="tracks_json"),
    path("tracks.csv", views.tracks_csv, name="tracks_csv"),
    path("tracks/sql", views.tracks_sql, name="tracks_sql"),
    path("health", views.health, name="health"),
]
