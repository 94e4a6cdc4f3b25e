DELETE FROM ledger_account;
