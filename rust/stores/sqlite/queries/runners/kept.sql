SELECT key, card FROM runner_card WHERE until > ?1 LIMIT ?2
