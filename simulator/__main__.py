"""`python -m simulator`: the simulated Spotify as a process of its own."""

import argparse
import sys
import threading

from . import Simulator


def main() -> int:
    """Serve until Ctrl-C; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m simulator", description="A simulated Spotify on 127.0.0.1.")
    parser.add_argument("--port", type=int, default=8001, help="0 picks a free one (default: %(default)s)")
    parser.add_argument("--extended", action="store_true", help="answer as to an app in extended quota mode")
    parser.add_argument("--restless", action="store_true", help="let each answer with top tracks be another day's")
    options = parser.parse_args()
    try:
        simulator = Simulator(port=options.port, extended=options.extended)
    except (OSError, OverflowError) as error:
        print(f"Cannot listen on port {options.port}: {error}", file=sys.stderr)
        return 1
    simulator.restless = options.restless
    try:
        with simulator:
            print(f"Simulated Spotify at {simulator.url}; Ctrl-C ends it. These lines in .env let the site use it:\n")
            print(f"SPOTIPY_CLIENT_ID={simulator.client_id}")
            print(f"SPOTIPY_CLIENT_SECRET={simulator.client_secret}")
            print(f"SPOTIFY_ACCOUNTS_URL={simulator.accounts_url}")
            print(f"SPOTIFY_API_URL={simulator.api_url}", flush=True)
            threading.Event().wait()
    except KeyboardInterrupt:
        print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
