"""Prompts as they happen: open streams, the tickets that open them, and the one task that feeds them."""
