"""What a listener types about themselves."""

from typing import Any
from unicodedata import category

from django import forms
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tracks import handles
from tracks.models import Listener

# Controls, surrogates, what has no character, and marks that cannot be seen but turn or join others (Unicode's general
# categories); a joiner inside of a name makes one sign of two, in emoji and in Indic scripts.
UNSEEN = {"Cc", "Cf", "Cn", "Co", "Cs"}
JOINERS = "\u200c\u200d"
# Letters and signs that are blank all the same.
BLANK = "\u115f\u1160\u2800\u3164\uffa0"

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
        """The name with single blanks and without what cannot be seen, or "" if nothing of it can."""
        typed = " ".join(self.cleaned_data["name"].split())
        name = "".join(sign for sign in typed if sign in JOINERS or category(sign) not in UNSEEN).strip(f" {JOINERS}")
        is_seen = any(category(sign)[0] in "LNPS" and sign not in BLANK for sign in name)
        return name if is_seen else ""

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
