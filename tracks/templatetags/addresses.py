"""Addresses of a listener's pages in templates: {% chart_url 'track' track.pk %}."""

from django import template

from tracks.addresses import chart_url

register = template.Library()
register.simple_tag(chart_url)
