import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models
from django.db.models import Q
from django.db.models.functions import Coalesce

import tracks.handles


def introduce(apps, schema_editor):
    """Each listener gets a handle of their own; the host's chart stays public."""
    Listener = apps.get_model("tracks", "Listener")
    for listener in Listener.objects.all():
        listener.handle = tracks.handles.random_handle()
        listener.visibility = "public" if listener.is_host else "private"
        listener.save(update_fields=["handle", "visibility"])


class Migration(migrations.Migration):
    dependencies = [("tracks", "0008_pauses_and_exchanges")]

    operations = [
        migrations.AddField("listener", "handle", models.CharField(default="", max_length=30)),
        migrations.AddField("listener", "name", models.CharField(blank=True, help_text="What the person calls themselves here.", max_length=80)),
        migrations.AddField(
            "listener",
            "visibility",
            models.CharField(
                choices=[
                    ("private", "private: you alone"),
                    ("unlisted", "unlisted: who has the link"),
                    ("public", "public: on the list of listeners"),
                ],
                default="private",
                max_length=10,
            ),
        ),
        migrations.AddField(
            "listener",
            "due_at",
            models.DateTimeField(
                blank=True,
                db_index=True,
                default=django.utils.timezone.now,
                help_text="When the next refresh is due.",
                null=True,
            ),
        ),
        migrations.AddField(
            "listener",
            "failures",
            models.PositiveSmallIntegerField(default=0, help_text="Refreshes that failed one after the other."),
        ),
        migrations.AddField("listener", "changed_at", models.DateTimeField(default=django.utils.timezone.now)),
        migrations.RunPython(introduce, migrations.RunPython.noop),
        migrations.AlterField(
            "listener", "handle", models.CharField(default=tracks.handles.random_handle, max_length=30, unique=True)
        ),
        migrations.AddConstraint(
            "listener",
            models.CheckConstraint(
                condition=Q(visibility__in=["private", "unlisted", "public"]), name="listener_visibility_known"
            ),
        ),
        migrations.AddConstraint(
            "listener",
            models.CheckConstraint(
                condition=Q(("is_host", False), ("visibility", "public"), _connector="OR"), name="host_is_public"
            ),
        ),
        migrations.CreateModel(
            name="Invitation",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("digest", models.CharField(max_length=64, unique=True)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("expires_at", models.DateTimeField()),
                ("used_at", models.DateTimeField(blank=True, null=True)),
                (
                    "made_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="invitations", to="tracks.listener"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(condition=Q(expires_at__gt=models.F("created_at")), name="expires_after_created")
                ]
            },
        ),
        migrations.CreateModel(
            name="SpotifyQuota",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("calls", models.JSONField(default=list)),
            ],
            options={"constraints": [models.CheckConstraint(condition=Q(pk=1), name="one_quota")]},
        ),
        migrations.CreateModel(
            name="Refusal",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
        ),
        migrations.CreateModel(
            name="Dispatch",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField()),
            ],
            options={"constraints": [models.CheckConstraint(condition=Q(pk=1), name="one_dispatch")]},
        ),
        migrations.AddField(
            "listener",
            "handed_out_until",
            models.DateTimeField(
                blank=True, help_text="Until when a task of the queue is taken to be on its way.", null=True
            ),
        ),
        migrations.AddIndex(
            "listener",
            models.Index(Coalesce("refreshed_at", "authorized_at"), models.F("id"), name="listener_longest_waiting"),
        ),
        migrations.AddIndex(
            "listener",
            models.Index(fields=["id"], condition=Q(state="needs_sign_in"), name="listener_needs_sign_in"),
        ),
        migrations.AddIndex("refreshrun", models.Index(fields=["started_at"], name="run_started")),
        migrations.AlterField(
            "refreshrun",
            "trigger",
            models.CharField(
                choices=[
                    ("cron", "command"),
                    ("host", "host"),
                    ("sign_in", "sign-in"),
                    ("machine", "machine"),
                    ("queue", "queue"),
                ],
                max_length=20,
            ),
        ),
        migrations.AlterField(
            "notice",
            "kind",
            models.CharField(
                choices=[
                    ("sign_in_30_days", "sign-in lapses in 30 days"),
                    ("sign_in_7_days", "sign-in lapses in 7 days"),
                    ("sign_in_lapsed", "sign-in lapsed"),
                    ("failing", "no refresh for a day"),
                    ("recovered", "refreshes work again"),
                    ("listeners_lapsed", "listeners must sign in again"),
                ],
                max_length=20,
            ),
        ),
    ]
