DROP FUNCTION trail_record_change();
DROP TRIGGER change_follows_row ON trail_change;
DROP TRIGGER look_is_final ON trail_look;
DROP TRIGGER change_is_final ON trail_change;
DROP FUNCTION trail_is_final();
