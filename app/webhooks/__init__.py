"""Events on their way out: who may be told of which, what they look like, and their delivery, signed."""
