import os
from importlib import import_module

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "spotify_top.settings")

application = get_wsgi_application()

# Django has each worker import what serves at its first request; before the fork they share it.
import_module("spotify_top.urls")
