DROP FUNCTION round_half_even(numeric, int);
