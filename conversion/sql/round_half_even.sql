-- Rounds a tie to the even neighbour, as decimal.ROUND_HALF_EVEN does; round(numeric, int) rounds it away from zero.
CREATE FUNCTION round_half_even(value numeric, decimals int) RETURNS numeric
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN CASE
    WHEN abs(value * ('1e' || decimals)::numeric - trunc(value * ('1e' || decimals)::numeric)) = 0.5
         AND mod(trunc(value * ('1e' || decimals)::numeric), 2) = 0
    THEN trunc(value, decimals)
    ELSE round(value, decimals)
END;
