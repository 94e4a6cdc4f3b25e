DROP TRIGGER account_is_fixed ON ledger_account;
