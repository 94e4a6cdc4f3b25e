DROP TRIGGER sign_in_is_kept_a_year ON staff_signin;
DROP TRIGGER sign_in_is_final ON staff_signin;
DROP TRIGGER factor_reset_is_final ON staff_factorreset;
