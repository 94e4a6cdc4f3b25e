"""What the back-office itself keeps: files that were asked for, and tasks that failed. No money depends on it."""
