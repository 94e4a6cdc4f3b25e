DROP TRIGGER run_moves ON conversion_conversionrun;
DROP FUNCTION run_moves();
DROP TRIGGER run_transition_follows_run ON conversion_runtransition;
DROP TRIGGER run_transition_is_final ON conversion_runtransition;
ALTER TABLE conversion_runtransition DROP CONSTRAINT run_transition_run_exists;
