"""What a refresh tells whoever follows it."""

from django.dispatch import Signal

# Sent once by every refresh, however it ended, with `listener` as it was before, `trigger`, `result` (RefreshResult)
# and `milliseconds` by stage. A receiver that fails is logged and harms nobody else.
refresh_finished = Signal()
