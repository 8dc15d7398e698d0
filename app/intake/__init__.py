"""Formats that call events come in, one a file, each read into the one canonical event. None touches the database."""
