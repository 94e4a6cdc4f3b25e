CREATE TRIGGER factor_reset_is_final BEFORE UPDATE OR DELETE OR TRUNCATE ON staff_factorreset
    FOR EACH STATEMENT
    EXECUTE FUNCTION trail_is_final('factor_reset_is_final', 'the record of a reset is never changed or removed');

CREATE TRIGGER sign_in_is_final BEFORE UPDATE OR TRUNCATE ON staff_signin
    FOR EACH STATEMENT
    EXECUTE FUNCTION trail_is_final('sign_in_is_final', 'the record of a sign-in is never changed');

-- Addresses are personal data: they go after a year, and not a day sooner.
CREATE TRIGGER sign_in_is_kept_a_year BEFORE DELETE ON staff_signin
    FOR EACH ROW WHEN (OLD.at > clock_timestamp() - interval '365 days')
    EXECUTE FUNCTION trail_is_final('sign_in_is_kept_a_year', 'the record of a sign-in is kept for a year');
