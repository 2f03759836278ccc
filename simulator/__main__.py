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
    options = parser.parse_args()
    try:
        simulator = Simulator(port=options.port, extended=options.extended)
    except (OSError, OverflowError) as error:
        print(f"Cannot listen on port {options.port}: {error}", file=sys.stderr)
        return 1
    with simulator:
        print(f"Simulated Spotify: {simulator.url}", flush=True)
        print(f"Client ID {simulator.client_id}, secret {simulator.client_secret}. Ctrl-C ends it.", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
