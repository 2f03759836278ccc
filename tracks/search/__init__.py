"""Questions in plain words over a listener's songs and the kept history of their charts.

`question` cuts the words, `clauses` says which of them mean something, `read` looks up the rest and finds the songs.
"""
