"""The bottom layer of the house: it knows Django and PostgreSQL, and no app of ours."""
