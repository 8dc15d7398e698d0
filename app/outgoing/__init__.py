"""Requests of ours to the outside: where they may go, and connections that cannot be turned inward."""
