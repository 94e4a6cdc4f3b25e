"""Who changed configuration and rights, and who looked at personal data: records that only grow (docs/staff.md)."""
