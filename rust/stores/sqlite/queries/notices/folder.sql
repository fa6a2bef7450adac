-- The directory of the sockets of this database. The key keeps its first name.
SELECT value FROM meta WHERE key = 'bell'
