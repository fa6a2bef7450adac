-- A reader needs a row.
INSERT INTO arguments (seq, payload) VALUES (?1, x'') ON CONFLICT (seq) DO NOTHING
