DROP TRIGGER journal_entry_guard ON ledger_journalentry;
DROP FUNCTION journal_entry_guard();
DROP TRIGGER journal_entry_is_final ON ledger_journalentry;
ALTER TABLE ledger_journalentry
    DROP CONSTRAINT journal_entry_reverses_exists,
    DROP CONSTRAINT journal_entry_posted_by_exists;
