-- Version 4 keeps apps apart. What is here belongs to the app that opens the file first from now on.
CREATE TABLE app (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE) STRICT;
-- A registration key is held until the first claim, and no longer only in status `registered`.
DROP INDEX invocation_registered;
CREATE INDEX invocation_registered ON invocation (registration_key)
    WHERE place BETWEEN 1 AND 3 AND registration_key IS NOT NULL;
