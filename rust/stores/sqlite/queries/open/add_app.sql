-- Add an app. The first app of a file has number 1.
INSERT INTO app (number, id) SELECT coalesce(max(number), 0) + 1, ?1 FROM app RETURNING number
