DELETE FROM runner_card WHERE until <= ?1
