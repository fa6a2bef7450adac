UPDATE meta SET value = ?1 WHERE key = 'finished_floor'
