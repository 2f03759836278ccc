from django.db import migrations, models

from tracks import derived


def fill_covers(apps, schema_editor):
    Track = apps.get_model("tracks", "Track")
    changed = []
    for track in Track.objects.exclude(image_url="").iterator():
        # Its width was not kept; the next refresh brings all sizes.
        track.covers = [{"url": track.image_url, "width": None}]
        changed.append(track)
    Track.objects.bulk_update(changed, ["covers"], batch_size=500)


def fill_derived(apps, schema_editor):
    Track = apps.get_model("tracks", "Track")
    changed = []
    for track in Track.objects.iterator():
        track.image_url = derived.cover(track.covers, width=300)
        track.release_year = derived.year(track.release_date)
        track.duration_min = derived.minutes(track.duration_ms)
        changed.append(track)
    Track.objects.bulk_update(changed, ["image_url", "release_year", "duration_min"], batch_size=500)


class Migration(migrations.Migration):
    dependencies = [("tracks", "0004_notice")]

    operations = [
        migrations.AddField("track", "covers", models.JSONField(blank=True, default=list, help_text="addresses and widths, largest first")),
        migrations.RunPython(fill_covers, fill_derived),
        migrations.RemoveField("track", "release_year"),
        # With a default, so that the way back can add it to rows that exist.
        migrations.AlterField("track", "duration_min", models.DecimalField(decimal_places=2, default=0, max_digits=6)),
        migrations.RemoveField("track", "duration_min"),
        migrations.AlterField("track", "image_url", models.CharField(blank=True, default="", max_length=1000)),
        migrations.RemoveField("track", "image_url"),
    ]
