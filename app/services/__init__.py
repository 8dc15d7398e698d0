"""The rules: plain functions that take a session and a caller. No await, no commit, no HTTP."""
