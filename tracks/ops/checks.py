"""What `manage.py check` says about the settings of this site; env.py has refused the malformed ones before."""

import os
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning, register

from spotify_top import env

CREDENTIALS = ("SPOTIPY_CLIENT_ID", "SPOTIPY_CLIENT_SECRET")


def misspelt_credentials() -> list[str]:
    """Names in the environment that were meant as the credentials': SPOTIFY_..., where spotipy's name begins theirs."""
    slips = {name: name.replace("SPOTIPY", "SPOTIFY") for name in CREDENTIALS}
    return [slip for name, slip in slips.items() if env.text(slip) and not getattr(settings, name)]


@register()
def spotify_credentials(**kwargs: Any) -> list[CheckMessage]:
    missing = [name for name in CREDENTIALS if not getattr(settings, name)]
    if not missing:
        return []
    slips = misspelt_credentials()
    meant = " and ".join(f"{slip} as {slip.replace('SPOTIFY', 'SPOTIPY')}" for slip in slips)
    return [
        Warning(
            f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set: nobody can sign in.",
            hint=f"Write {meant}, with P." if slips else "Open the site; it shows how to set it up.",
            id="tracks.W001",
        )
    ]


@register()
def site_name(**kwargs: Any) -> list[CheckMessage]:
    name = settings.SITE_NAME.lower()
    if name.startswith("spot") or ("spotify" in name and not name.endswith(" for spotify")):
        return [
            Warning(
                "SITE_NAME breaks Spotify's rules for names.",
                hint='It may not begin with "Spot" nor contain "Spotify"; "... for Spotify" is fine.',
                id="tracks.W002",
            )
        ]
    return []


@register()
def staging_folder(**kwargs: Any) -> list[CheckMessage]:
    folder = settings.STAGING_DIR
    if folder is None or (folder.is_dir() and os.access(folder, os.W_OK)):
        return []
    return [
        Warning(
            "STAGING_DIR is no folder that can be written to: refreshes leave no files.",
            hint="Create it, and let the user that runs the site write to it.",
            id="tracks.W003",
        )
    ]


@register(Tags.security, deploy=True)
def public_host(**kwargs: Any) -> list[CheckMessage]:
    if {host.strip("[]") for host in settings.ALLOWED_HOSTS} <= env.LOOPBACK:
        return [
            Warning(
                "ALLOWED_HOSTS names no public host: the site answers on this machine alone.",
                hint="Set it to the site's host names, separated by commas.",
                id="tracks.W004",
            )
        ]
    return []
