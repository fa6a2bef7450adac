-- Version 4 keeps apps apart. What is here belongs to the app that opens the file first from now on.
CREATE TABLE app (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE) STRICT;
