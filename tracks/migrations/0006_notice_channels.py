from django.db import migrations, models


def one_row_a_channel(apps, schema_editor):
    """What was told counts as told on both channels."""
    Notice = apps.get_model("tracks", "Notice")
    for notice in list(Notice.objects.filter(channel="email")):
        notice.pk, notice.channel = None, "webhook"
        notice.save(force_insert=True)


def one_row(apps, schema_editor):
    Notice = apps.get_model("tracks", "Notice")
    Notice.objects.filter(sent_at=None).delete()
    seen = set()
    for notice in Notice.objects.order_by("pk"):
        key = notice.listener_id, notice.kind, notice.about
        if key in seen:
            notice.delete()
        seen.add(key)


class Migration(migrations.Migration):
    dependencies = [("tracks", "0005_derived_and_covers")]

    operations = [
        migrations.RemoveConstraint("notice", "one_notice_of_a_kind"),
        migrations.AddField(
            "notice",
            "channel",
            models.CharField(choices=[("email", "email"), ("webhook", "webhook")], default="email", max_length=10),
            preserve_default=False,
        ),
        migrations.AddField("notice", "tried_at", models.DateTimeField(blank=True, null=True)),
        migrations.AlterField("notice", "sent_at", models.DateTimeField(blank=True, null=True)),
        migrations.AddConstraint(
            "notice",
            models.UniqueConstraint(
                fields=("listener", "kind", "about", "channel"), name="one_notice_of_a_kind_a_channel"
            ),
        ),
        # Last: PostgreSQL alters no table with rows of the same transaction in it.
        migrations.RunPython(one_row_a_channel, one_row),
    ]
