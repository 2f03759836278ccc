"""Questions that could be asked, made of what is there."""

from django.utils.translation import gettext as _

from tracks.chart import Chart


def examples(chart: Chart, *, has_history: bool) -> list[str]:
    """In the language of the page; each is one that `clauses` understands."""
    asked = []
    if chart.placements:
        artists = chart.placements[0].track.credited_artists
        asked += [_("by %(artist)s") % {"artist": artists[0].name}] if artists else []
        years = chart.release_years
        # The decade of the most songs; of two the older.
        decades = [year // 10 * 10 for year in years.counts.elements()] if years else []  # type: ignore[attr-defined]
        if decades:
            decade = max(sorted(set(decades)), key=decades.count)
            asked.append(_("from the %(decade)ss") % {"decade": decade})
        asked.append(_("longest"))
    if has_history:
        asked += [_("most days at number one"), _("in the top 5 last week"), _("new since Monday")]
        asked += [_("left this month"), _("biggest climb")]
    return asked
