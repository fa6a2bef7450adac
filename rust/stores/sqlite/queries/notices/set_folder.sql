INSERT INTO meta VALUES ('bell', ?1) ON CONFLICT (key) DO UPDATE SET value = excluded.value
