-- The invocation has failed, whatever its outcome was before.
INSERT INTO outcome (seq, payload, reason) VALUES (?1, NULL, ?2)
ON CONFLICT (seq) DO UPDATE SET payload = NULL, reason = excluded.reason
