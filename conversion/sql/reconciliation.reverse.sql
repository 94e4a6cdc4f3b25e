DROP TRIGGER statement_is_matched ON conversion_providerstatement;
DROP FUNCTION statement_is_matched;
DROP FUNCTION statement_differences;
DROP TRIGGER statement_line_guard ON conversion_statementline;
DROP FUNCTION statement_line_guard;
DROP TRIGGER statement_guard ON conversion_providerstatement;
DROP FUNCTION statement_guard;
DROP TRIGGER difference_is_final ON conversion_difference;
DROP TRIGGER statement_line_is_final ON conversion_statementline;
DROP TRIGGER statement_is_final ON conversion_providerstatement;
ALTER TABLE conversion_difference
    DROP CONSTRAINT difference_conversion_exists,
    DROP CONSTRAINT difference_line_exists,
    DROP CONSTRAINT difference_statement_exists;
ALTER TABLE conversion_statementline
    DROP CONSTRAINT statement_line_statement_exists;
ALTER TABLE conversion_providerstatement
    DROP CONSTRAINT statement_hours_are_whole,
    DROP CONSTRAINT statement_digest_length,
    DROP CONSTRAINT statement_imported_by_exists;
