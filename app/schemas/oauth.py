"""Tokens for clients, in the words of RFC 6749."""

from app.schemas.base import Out


class TokenOut(Out):
    """An access token."""

    access_token: str
    token_type: str
    expires_in: int
    scope: str


class TokenError(Out):
    """Why there is none."""

    error: str
    error_description: str
