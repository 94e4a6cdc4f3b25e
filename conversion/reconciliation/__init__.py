"""What the provider says it converted and charged, held against what we wrote (docs/reconciliation.md)."""
