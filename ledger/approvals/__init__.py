"""Requests of one person that another one decides: everything people may do to money or its rules.

`ledger.book` is the door to it (docs/decisions/0013-one-mechanism-for-four-eyes.md).
"""
