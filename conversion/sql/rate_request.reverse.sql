ALTER TABLE conversion_rateproposal
    -- Foreign keys that hold at once (not deferred to COMMIT).
    ADD CONSTRAINT rate_proposal_rate_exists FOREIGN KEY (rate_id) REFERENCES conversion_rate (id),
    ADD CONSTRAINT rate_proposal_proposed_by_exists FOREIGN KEY (proposed_by_id) REFERENCES auth_user (id);
ALTER TABLE conversion_ratedecision
    -- With the name of who asked, so that a CHECK can compare it with who decides.
    ADD CONSTRAINT rate_decision_proposal_exists
        FOREIGN KEY (proposal_id, proposed_by_id) REFERENCES conversion_rateproposal (id, proposed_by_id),
    ADD CONSTRAINT rate_decision_decided_by_exists FOREIGN KEY (decided_by_id) REFERENCES auth_user (id);

CREATE TRIGGER rate_proposal_is_final BEFORE UPDATE OR DELETE OR TRUNCATE ON conversion_rateproposal
    FOR EACH STATEMENT
    EXECUTE FUNCTION refuse('rate_proposal_is_final', 'what was asked is never changed or removed');
CREATE TRIGGER rate_decision_is_final BEFORE UPDATE OR DELETE OR TRUNCATE ON conversion_ratedecision
    FOR EACH STATEMENT
    EXECUTE FUNCTION refuse('rate_decision_is_final', 'what was decided is never changed or removed');

-- Only a rate in quarantine waits for people, and one question at a time: the last one has its answer, and it was no.
CREATE FUNCTION rate_proposal_guard() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM conversion_rate WHERE id = NEW.rate_id AND state = 'quarantined') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', CONSTRAINT = 'rate_proposal_of_quarantined', TABLE = TG_TABLE_NAME,
            MESSAGE = 'only a rate in quarantine is decided by people';
    END IF;
    IF NEW.attempt <> 1 + (
        SELECT count(*) FROM conversion_rateproposal proposal
        JOIN conversion_ratedecision decision ON decision.proposal_id = proposal.id AND NOT decision.approved
        WHERE proposal.rate_id = NEW.rate_id
    ) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', CONSTRAINT = 'rate_proposal_one_open', TABLE = TG_TABLE_NAME,
            MESSAGE = 'a rate is proposed again after a rejection, and not before';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER rate_proposal_guard BEFORE INSERT ON conversion_rateproposal
    FOR EACH ROW EXECUTE FUNCTION rate_proposal_guard();

-- A rate that a person let pass is the quarantined one to the letter, and two people stand behind it.
CREATE OR REPLACE FUNCTION rate_decided_guard() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM conversion_rate held
        JOIN conversion_rateproposal proposal ON proposal.rate_id = held.id
        JOIN conversion_ratedecision decision ON decision.proposal_id = proposal.id
        WHERE held.id = NEW.decides_id AND held.state = 'quarantined' AND decision.approved
          AND decision.decided_by_id = NEW.decided_by_id
          AND (held.hour, held.price, held.provider, held.quoted_at)
              = (NEW.hour, NEW.price, NEW.provider, NEW.quoted_at)
    ) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', CONSTRAINT = 'rate_decided_by_two', TABLE = TG_TABLE_NAME,
            MESSAGE = 'a quarantined rate passes as it is, when one person asked and another one approved';
    END IF;
    RETURN NULL;
END $$;
