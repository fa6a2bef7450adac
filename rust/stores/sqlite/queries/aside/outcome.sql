-- Whatever was there before: the invocation has failed.
INSERT INTO outcome (seq, payload, reason) VALUES (?1, NULL, ?2)
ON CONFLICT (seq) DO UPDATE SET payload = NULL, reason = excluded.reason
