"""Addresses of a listener's pages in templates: {% chart_url 'track' track.pk %} for the page's own listener."""

from typing import Any

from django import template
from django.template import Context

from tracks import addresses

register = template.Library()


@register.simple_tag(takes_context=True)
def chart_url(context: Context, name: str, *args: Any, **query: Any) -> str:
    """The address of this page of `listener` in the context, of the host where there is none."""
    return addresses.chart_url(context.get("listener"), name, *args, **query)


@register.simple_tag
def listener_url(listener: Any, name: str = "index", *args: Any, **query: Any) -> str:
    """The address of this page of another listener than the page's own."""
    return addresses.chart_url(listener, name, *args, **query)
