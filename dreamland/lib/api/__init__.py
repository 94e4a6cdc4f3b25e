"""What every HTTP call of Dreamland shares: strict reading, problem+json, keyset pages, declared permissions.

Source: docs/openapi.yaml.
"""
