INSERT INTO conversion_feerule (effective_from, provider, percentage, fixed)
VALUES ('2020-01-01T00:00:00Z', 'default', 0.01, 0.001);
