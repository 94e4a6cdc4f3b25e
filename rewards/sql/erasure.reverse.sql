CREATE OR REPLACE FUNCTION win_residence_guard() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    bad uuid;
BEGIN
    SELECT win.entry_id INTO bad
    FROM new_wins win JOIN rewards_player player ON player.id = win.player_id
    WHERE player.region <> ''
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', CONSTRAINT = 'win_player_lives_here', TABLE = TG_TABLE_NAME,
            MESSAGE = format('the player of win %s lives in another region, or is going there', bad);
    END IF;
    RETURN NULL;
END $$;
DROP TRIGGER retained_until_its_date ON rewards_profile;
DROP FUNCTION retained_until_its_date();
DROP TRIGGER erased_keeps_the_minimum ON rewards_playerkey;
DROP TRIGGER erased_keeps_the_minimum ON rewards_profile;
DROP FUNCTION erased_keeps_the_minimum();
DROP TRIGGER player_stays_erased ON rewards_player;
DROP TRIGGER player_erased_by_an_erasure ON rewards_player;
DROP FUNCTION player_erased_by_an_erasure();
DROP TRIGGER erasure_ends_the_player ON rewards_erasure;
DROP FUNCTION erasure_ends_the_player();
DROP TRIGGER erasure_destroys ON rewards_erasure;
DROP FUNCTION erasure_destroys();
DROP TRIGGER erasure_is_final ON rewards_erasure;
ALTER TABLE rewards_erasure DROP CONSTRAINT erasure_player_exists;
