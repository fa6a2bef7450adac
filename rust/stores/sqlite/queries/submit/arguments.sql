INSERT INTO arguments (seq, payload) VALUES (?1, ?2)
