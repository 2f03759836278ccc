from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class TracksConfig(AppConfig):
    name = "tracks"
    verbose_name = _("Top tracks")

    def ready(self) -> None:
        from tracks import checks, signals  # noqa: F401  (both register themselves)
