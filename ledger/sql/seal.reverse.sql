DROP TRIGGER verification_run_is_final ON ledger_verificationrun;
DROP TRIGGER seal_is_final ON ledger_seal;
DROP FUNCTION seal_journal(int);
DROP FUNCTION seal_digest(bytea, bigint, int, xid8, xid8);
DROP FUNCTION journal_entry_digest(ledger_journalentry);
