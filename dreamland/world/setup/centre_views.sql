-- The same text as in a region (dreamland/world/sql/hours.sql); a test holds them together.
CREATE OR REPLACE FUNCTION world_chain(previous text, number bigint, starts timestamptz, ends timestamptz, totals jsonb)
RETURNS text LANGUAGE sql IMMUTABLE SET search_path FROM CURRENT AS $$
    SELECT encode(sha256(convert_to(
        concat_ws('/', previous, number, (extract(epoch FROM starts) * 1000000)::bigint,
                  (extract(epoch FROM ends) * 1000000)::bigint, totals), 'UTF8')), 'hex')
$$;

-- Debits and credits of every account, region by region.
CREATE OR REPLACE VIEW trial_balance AS
    SELECT region, account, asset, sum(debit) AS debits, sum(credit) AS credits, sum(debit) - sum(credit) AS balance
    FROM (
        SELECT posting.region, posting.asset, side.account, side.debit, side.credit
        FROM ledger_posting posting
        CROSS JOIN LATERAL (VALUES (posting.debit_id, posting.amount, 0), (posting.credit_id, 0, posting.amount))
            AS side (account, debit, credit)
    ) AS sides
    GROUP BY region, account, asset;

-- The chain of closed hours: numbers and hours without a gap, each link over the one before it.
CREATE OR REPLACE VIEW hour_chain AS
    SELECT region, number, starts_at,
           number = coalesce(lag(number) OVER in_order, 0) + 1
               AND starts_at = coalesce(lag(ends_at) OVER in_order, starts_at) AS follows,
           chain = world_chain(coalesce(lag(chain) OVER in_order, ''), number, starts_at, ends_at, totals) AS is_linked
    FROM world_hourclose
    WINDOW in_order AS (PARTITION BY region ORDER BY number);

-- What a closed hour holds by its region's word, against what is here.
CREATE OR REPLACE VIEW hour_differences AS
    SELECT closed.region, closed.number, closed.starts_at, closed.ends_at, figure.name, figure.told, figure.here
    FROM world_hourclose closed
    CROSS JOIN LATERAL (
        SELECT name, told.figures AS told, here.figures AS here
        FROM jsonb_each(closed.totals) AS told (name, figures)
        FULL JOIN jsonb_each(hour_totals(closed.region, closed.starts_at, closed.ends_at)) AS here (name, figures)
            USING (name)
        WHERE told.figures IS DISTINCT FROM here.figures
    ) AS figure;

-- Every move: both ends, and what lies between the regions. In transit while one end is missing or the sum is not zero.
CREATE OR REPLACE VIEW settlement AS
    SELECT transfer.transfer,
           array_agg(transfer.region || ' ' || transfer.direction ORDER BY transfer.direction DESC) AS ends,
           coalesce(sum(moved.amount), 0) AS in_transit,
           count(DISTINCT transfer.direction) = 2 AND coalesce(sum(moved.amount), 0) = 0 AS is_settled,
           clock_timestamp() - min(transfer.at) AS age
    FROM world_transfer transfer
    LEFT JOIN LATERAL (
        SELECT sum(CASE WHEN starts_with(posting.credit_id, 'settlement:') THEN posting.amount ELSE -posting.amount END)
            AS amount
        FROM ledger_posting posting
        WHERE posting.region = transfer.region AND posting.entry_id = transfer.entry_id
          AND (starts_with(posting.credit_id, 'settlement:') OR starts_with(posting.debit_id, 'settlement:'))
    ) AS moved ON true
    GROUP BY transfer.transfer;
