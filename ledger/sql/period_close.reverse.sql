DROP TRIGGER period_close_is_final ON ledger_periodclose;
DROP TRIGGER period_close_guard ON ledger_periodclose;
DROP FUNCTION period_close_guard();
