from django.db import migrations, models

from tracks.folding import folded_song

BATCH = 500


def fill(apps, schema_editor):
    """Folds the songs that are stored; new ones are folded by the load."""
    Track = apps.get_model("tracks", "Track")
    Credit = apps.get_model("tracks", "Credit")
    keys = list(Track.objects.order_by("pk").values_list("pk", flat=True))
    for start in range(0, len(keys), BATCH):
        tracks = Track.objects.in_bulk(keys[start : start + BATCH])
        artists = {key: [] for key in tracks}
        credits = Credit.objects.filter(track__in=tracks).order_by("position")
        for track, artist in credits.values_list("track", "artist__name"):
            artists[track].append(artist)
        for key, track in tracks.items():
            track.folded = folded_song(track.name, track.album, artists[key])
        Track.objects.bulk_update(tracks.values(), ["folded"])


class Migration(migrations.Migration):
    dependencies = [("tracks", "0011_cards")]

    operations = [
        migrations.AddField(
            "track", "folded", models.TextField(blank=True, db_default="", default="", editable=False)
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
