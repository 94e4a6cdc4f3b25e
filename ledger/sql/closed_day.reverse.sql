DROP TRIGGER day_total_is_final ON ledger_daytotal;
DROP TRIGGER closed_day_stays ON ledger_closedday;
DROP TRIGGER closed_day_guard ON ledger_closedday;
DROP FUNCTION closed_day_guard();
DROP FUNCTION close_next_day();
DROP FUNCTION fence_days();
ALTER TABLE ledger_daytotal DROP CONSTRAINT day_total_day_exists, DROP CONSTRAINT day_total_account_exists;
