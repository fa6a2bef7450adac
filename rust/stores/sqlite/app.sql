-- The apps of this file. Number 1 has the tables of `schema.sql` as they are named there, number n those of the same names
-- after `app<n>_`; see `src/apps.rs`.
CREATE TABLE app (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE) STRICT;
