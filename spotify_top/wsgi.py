import os
from importlib import import_module

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "spotify_top.settings")

application = get_wsgi_application()

# Each worker would import these at its first request and its first refresh; before the fork they share them.
import_module("spotify_top.urls")
import_module("spotipy")
