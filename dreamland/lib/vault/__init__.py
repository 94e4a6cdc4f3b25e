"""Sealing what is personal: a data key for each person, itself wrapped by a key-encryption key that rotates.

`providers` says who keeps the key-encryption keys, `sealing` what is done with data keys. Nothing here knows a table.
"""
