DROP TRIGGER void_by_staff_is_approved ON rewards_void;
DROP FUNCTION void_by_staff_is_approved();
