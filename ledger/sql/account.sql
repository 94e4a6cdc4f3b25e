-- What an account is never changes; only its name may. A changed side would turn every balance around.
CREATE TRIGGER account_is_fixed
    BEFORE UPDATE OF code, asset, kind, normal_side, held ON ledger_account
    FOR EACH ROW
    WHEN ((OLD.code, OLD.asset, OLD.kind, OLD.normal_side, OLD.held)
          IS DISTINCT FROM (NEW.code, NEW.asset, NEW.kind, NEW.normal_side, NEW.held))
    EXECUTE FUNCTION refuse('account_is_fixed', 'an account keeps its code, asset, kind and side for ever');
