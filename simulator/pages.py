"""The HTML the simulator shows to a person."""

from collections.abc import Mapping
from html import escape
from urllib.parse import urlsplit

_STYLE = """
:root { color-scheme: light dark; --paper: #f6f3ee; --ink: #24211d; --quiet: #6b645b; --line: #d9d2c7; --main: #9a4a24 }
@media (prefers-color-scheme: dark) {
  :root { --paper: #1c1a18; --ink: #ece7df; --quiet: #a39b90; --line: #3a3632; --main: #e39a6d }
}
body { margin: 0 auto; padding: 12vh 24px 48px; max-width: 26rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.55 system-ui, sans-serif; accent-color: var(--main) }
h1 { font-size: 1.6rem; line-height: 1.2; margin: .4em 0 .8em }
.note { margin: 0; padding: .5em 0; border-block: 1px solid var(--line); color: var(--quiet); font-size: .875rem }
fieldset { border: 0; margin: 1.6em 0; padding: 0 }
legend { padding: 0; font-weight: 600; margin-bottom: .4em }
label { display: flex; gap: .6em; align-items: baseline; padding: .55em 0; border-bottom: 1px solid var(--line) }
label small { color: var(--quiet); margin-inline-start: auto }
button { font: inherit; font-weight: 600; padding: .6em 1.6em; border-radius: 6px; border: 1px solid var(--line);
  background: none; color: inherit; cursor: pointer; margin-inline-end: .6em }
button[value=agree] { background: var(--main); border-color: var(--main); color: var(--paper) }
:focus-visible { outline: 2px solid var(--main); outline-offset: 2px }
code { overflow-wrap: anywhere }
"""

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
<p class="note">Simulated Spotify — nothing here is real</p>
<h1>{title}</h1>
{content}
</main>
</body>
</html>
"""

_CONSENT = """<p>An app with the client ID <code>{client_id}</code> asks to {wish}.</p>
<form method="post" action="/authorize">
{hidden}
<fieldset>
<legend>Sign in as</legend>
{accounts}
</fieldset>
<button name="decision" value="agree">Agree</button>
<button name="decision" value="cancel">Cancel</button>
</form>
<p><small>Either way you return to <code>{target}</code>.</small></p>"""

_ACCOUNT = '<label><input type="radio" name="account" value="{key}"{checked}> {name} <small>{key}</small></label>'


def consent(asked: Mapping[str, str], accounts: Mapping[str, str | None], current: str) -> str:
    """Return the consent page; `accounts` are display names by key, `asked` the parameters of the request."""
    target = urlsplit(asked["redirect_uri"])
    scope = asked.get("scope", "")
    return _page(
        "Let this app see your top tracks?" if scope == "user-top-read" else "Let this app in?",
        _CONSENT.format(
            client_id=escape(asked["client_id"]),
            wish="read the artists and tracks you play most"
            if scope == "user-top-read"
            else f"use the scope <code>{escape(scope)}</code>"
            if scope
            else "know who you are, and nothing else",
            hidden="\n".join(
                f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
                for name, value in asked.items()
                if name not in ("account", "decision")
            ),
            accounts="\n".join(
                _ACCOUNT.format(key=escape(key), name=escape(name or key), checked=" checked" if key == current else "")
                for key, name in accounts.items()
            ),
            target=escape(f"{target.scheme}://{target.netloc}"),
        ),
    )


def refusal(message: str) -> str:
    """Return the page that tells why a sign-in cannot even begin."""
    return _page(message, "<p>The app that sent you here asked in a way that Spotify would refuse as well.</p>")


def index(url: str) -> str:
    """Return the page at the simulator's root."""
    return _page("It is running", f"<p>Accounts at <code>{url}</code>, Web API at <code>{url}/v1</code>.</p>")


def _page(title: str, content: str) -> str:
    return _PAGE.format(title=escape(title), style=_STYLE, content=content)
