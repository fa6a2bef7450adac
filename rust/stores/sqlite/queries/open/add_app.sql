-- A new app; the first one of a file is number 1.
INSERT INTO app (number, id) SELECT coalesce(max(number), 0) + 1, ?1 FROM app RETURNING number
