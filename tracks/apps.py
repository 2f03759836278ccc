from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class TracksConfig(AppConfig):
    name = "tracks"
    verbose_name = _("Top tracks")

    def ready(self) -> None:
        from tracks.cards import process  # noqa: F401
        from tracks.ops import checks, housekeeping, metrics, notices  # noqa: F401  (they register themselves)
        from tracks.signin import disconnect  # noqa: F401  (it registers itself)
