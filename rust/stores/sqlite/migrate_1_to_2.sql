-- Version 2 knows that a claimed invocation is to be cancelled.
ALTER TABLE invocation ADD COLUMN cancelled INTEGER NOT NULL DEFAULT 0;
