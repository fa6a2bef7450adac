INSERT INTO outcome (seq, payload, reason) VALUES (?1, ?2, ?3)
