from django.urls import path

from tracks.signin import views

urlpatterns = [
    path("login/", views.spotify_login, name="spotify_login"),
    path("login/callback/", views.spotify_callback, name="spotify_callback"),
]
