"""Identifiers: UUIDv7 (RFC 9562, section 5.7), ordered by the millisecond they were made in."""

from uuid_utils.compat import uuid7

__all__ = ["uuid7"]
