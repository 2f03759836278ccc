"""What a listener types about themselves."""

import re
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tracks import handles
from tracks.models import Listener

# Control characters, those that turn the direction of what follows them, and what XML cannot hold.
UNWANTED = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufdd0-\ufdef\ufeff\ufffe\uffff\ud800-\udfff]"
)

TAKEN = _("This handle is taken. Choose another.")
VISIBILITY = [
    (Listener.Visibility.PRIVATE, _("Only you. For everybody else, the host included, the page does not exist.")),
    (Listener.Visibility.UNLISTED, _("Whoever has the address. Search engines are told to pass by.")),
    (Listener.Visibility.PUBLIC, _("Everybody. You also stand on the list of listeners.")),
]


class ProfileForm(forms.ModelForm):
    """Name, handle and visibility; the host has no visibility to choose."""

    # Longer than a handle may be, so that what is wrong is said by `validate`.
    handle = forms.CharField(
        label=_("Handle"),
        max_length=100,
        help_text=_("It stands in your page’s address."),
        error_messages={"unique": TAKEN},
    )

    class Meta:
        model = Listener
        fields = ["name", "handle", "visibility"]
        labels = {"name": _("Name"), "visibility": _("Who sees your page")}
        help_texts = {"name": _("What you want to be called here; may stay empty.")}
        widgets = {"visibility": forms.RadioSelect}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].widget.attrs["autocomplete"] = "nickname"
        self.fields["handle"].widget.attrs |= {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
        if self.instance.is_host:
            del self.fields["visibility"]
        else:
            self.fields["visibility"].choices = VISIBILITY  # type: ignore[attr-defined]

    def clean_name(self) -> str:
        # Blanks of all kinds are one blank; what else cannot be seen goes.
        return UNWANTED.sub("", " ".join(self.cleaned_data["name"].split())).strip()

    def clean_handle(self) -> str:
        handle = handles.folded(self.cleaned_data["handle"])
        handles.validate(handle)
        return handle

    def save_if_free(self) -> bool:
        """Stores what was typed, and nothing else of the row; False, with an error, if the handle was taken just now.

        A listener who is gone meanwhile stays gone.
        """
        row = Listener.objects.filter(pk=self.instance.pk, is_host=self.instance.is_host)
        try:
            with transaction.atomic():
                row.update(**self.cleaned_data, changed_at=timezone.now())
        except IntegrityError:
            self.add_error("handle", ValidationError(TAKEN, code="unique"))
            return False
        return True
