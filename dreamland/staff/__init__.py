"""The people of the back-office: who may do what, how they sign in, and what is kept of it (docs/staff.md)."""
