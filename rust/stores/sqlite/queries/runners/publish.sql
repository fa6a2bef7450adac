INSERT INTO runner_card (key, until, card) VALUES (?1, ?2, ?3)
ON CONFLICT (key) DO UPDATE SET until = excluded.until, card = excluded.card
