DROP TRIGGER balance_guard ON ledger_balance;
DROP FUNCTION balance_guard();
DROP TRIGGER posting_moves_balance ON ledger_posting;
DROP FUNCTION posting_moves_balance();
ALTER TABLE ledger_balance DROP CONSTRAINT balance_account_exists, RESET (fillfactor);
