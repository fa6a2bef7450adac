-- Version 4 separates apps. The present invocations belong to the app that next opens the file.
CREATE TABLE app (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE) STRICT;
-- An invocation holds its registration key until the first claim, not only in status `registered`.
DROP INDEX invocation_registered;
CREATE INDEX invocation_registered ON invocation (registration_key)
    WHERE place BETWEEN 1 AND 3 AND registration_key IS NOT NULL;
