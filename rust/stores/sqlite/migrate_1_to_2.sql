-- Version 2 records that a runner must cancel a claimed invocation.
ALTER TABLE invocation ADD COLUMN cancelled INTEGER NOT NULL DEFAULT 0;
