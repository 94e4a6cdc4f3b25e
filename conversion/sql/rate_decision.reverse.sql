DROP TRIGGER rate_decided_guard ON conversion_rate;
DROP FUNCTION rate_decided_guard();
DROP TRIGGER rate_proposal_guard ON conversion_rateproposal;
DROP FUNCTION rate_proposal_guard();
DROP TRIGGER rate_decision_is_final ON conversion_ratedecision;
DROP TRIGGER rate_proposal_is_final ON conversion_rateproposal;
ALTER TABLE conversion_ratedecision
    DROP CONSTRAINT rate_decision_proposal_exists,
    DROP CONSTRAINT rate_decision_decided_by_exists;
ALTER TABLE conversion_rateproposal
    DROP CONSTRAINT rate_proposal_rate_exists,
    DROP CONSTRAINT rate_proposal_proposed_by_exists;
