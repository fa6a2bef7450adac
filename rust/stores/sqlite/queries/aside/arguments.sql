-- Readers expect some.
INSERT INTO arguments (seq, payload) VALUES (?1, x'') ON CONFLICT (seq) DO NOTHING
