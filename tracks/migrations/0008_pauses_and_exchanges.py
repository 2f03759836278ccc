from django.db import migrations, models


def a_row_for_each(apps, schema_editor):
    """A pause that lasts is taken for the API's, which is what nearly all calls go to. Its key becomes the database's."""
    SpotifyPause = apps.get_model("tracks", "SpotifyPause")
    for pause in list(SpotifyPause.objects.all()):
        pause.delete()
        SpotifyPause.objects.create(service="api", until=pause.until)


def one_row(apps, schema_editor):
    """The longer pause becomes everything's."""
    SpotifyPause = apps.get_model("tracks", "SpotifyPause")
    longest = SpotifyPause.objects.order_by("-until").first()
    SpotifyPause.objects.all().delete()
    if longest:
        SpotifyPause.objects.create(pk=1, service="api", until=longest.until)


class Migration(migrations.Migration):
    dependencies = [("tracks", "0007_user_sessions")]

    operations = [
        migrations.RemoveConstraint("spotifypause", "one_pause"),
        migrations.AddField(
            "spotifypause",
            "service",
            models.CharField(choices=[("accounts", "accounts"), ("api", "Web API")], default="api", max_length=10),
            preserve_default=False,
        ),
        migrations.RunPython(a_row_for_each, one_row),
        migrations.AlterField(
            "spotifypause",
            "service",
            models.CharField(choices=[("accounts", "accounts"), ("api", "Web API")], max_length=10, unique=True),
        ),
        migrations.CreateModel(
            name="CodeExchanges",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("since", models.DateTimeField()),
                ("count", models.PositiveSmallIntegerField()),
            ],
        ),
        migrations.AddConstraint(
            "codeexchanges",
            models.CheckConstraint(condition=models.Q(("pk", 1)), name="one_count_of_exchanges"),
        ),
    ]
