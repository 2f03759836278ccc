import django.db.models.deletion
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.db import migrations, models
from django.utils import timezone


def move_here(apps, schema_editor):
    """Whoever is signed in stays so; a sign-in that was under way starts anew."""
    Session = apps.get_model("sessions", "Session")
    UserSession = apps.get_model("tracks", "UserSession")
    users = set(apps.get_model(settings.AUTH_USER_MODEL).objects.values_list("pk", flat=True))
    for session in Session.objects.filter(expire_date__gt=timezone.now()).iterator():
        user = int(SessionStore().decode(session.session_data).get(SESSION_KEY, 0))
        if user in users:
            UserSession.objects.create(
                session_key=session.session_key,
                session_data=session.session_data,
                expire_date=session.expire_date,
                user_id=user,
            )
    Session.objects.all().delete()


def move_back(apps, schema_editor):
    Session = apps.get_model("sessions", "Session")
    for session in apps.get_model("tracks", "UserSession").objects.iterator():
        Session.objects.create(
            session_key=session.session_key, session_data=session.session_data, expire_date=session.expire_date
        )


class Migration(migrations.Migration):
    dependencies = [
        ("tracks", "0006_notice_channels"),
        ("sessions", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="UserSession",
            fields=[
                ("session_key", models.CharField(max_length=40, primary_key=True, serialize=False, verbose_name="session key")),
                ("session_data", models.TextField(verbose_name="session data")),
                ("expire_date", models.DateTimeField(db_index=True, verbose_name="expire date")),
                ("user", models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name="sessions", to=settings.AUTH_USER_MODEL)),
            ],
            options={"verbose_name": "session", "verbose_name_plural": "sessions", "abstract": False},
        ),
        migrations.RunPython(move_here, move_back),
    ]
