-- The apps of this file. Number 1 has the tables of `schema.sql` under their names there, number n under the same names behind
-- `app<n>_`. See `src/apps.rs`.
CREATE TABLE app (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE) STRICT;
