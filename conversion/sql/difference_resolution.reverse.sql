DROP TRIGGER resolution_guard ON conversion_differenceresolution;
DROP FUNCTION resolution_guard;
CREATE OR REPLACE FUNCTION conversion_fees_payable() RETURNS numeric
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT (SELECT coalesce(sum(fees), 0) FROM conversion_conversionrun WHERE state = 'done')
         + (SELECT coalesce(sum(line.fee), 0) FROM conversion_conversionrun run
            JOIN conversion_conversion line ON line.run_id = run.id WHERE run.state <> 'done')
         - (SELECT coalesce(sum(settlement.amount), 0) FROM conversion_feesettlement settlement
            WHERE NOT EXISTS (SELECT FROM ledger_journalentry WHERE reverses_id = settlement.entry_id))
         - (SELECT coalesce(sum(line.fee), 0) FROM ledger_journalentry reversal
            JOIN conversion_conversion line ON line.entry_id = reversal.reverses_id
            WHERE reversal.reverses_id IS NOT NULL);
END;
DROP TRIGGER resolution_is_final ON conversion_differenceresolution;
ALTER TABLE conversion_differenceresolution
    DROP CONSTRAINT resolution_entry_exists,
    DROP CONSTRAINT resolution_request_exists,
    DROP CONSTRAINT resolution_difference_exists;
