"""A simulated Spotify, over real HTTP, for the demo and the tests. Production code never imports it."""

from .faults import Fault
from .server import Simulator
from .state import Account, Call, Token

__all__ = ["Account", "Call", "Fault", "Simulator", "Token"]
