"""Ballast: a REST service that backs resilience programmes for people who answer customers' calls."""
