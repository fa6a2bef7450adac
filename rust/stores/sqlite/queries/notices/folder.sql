-- Where the doorbells of this database hang.
SELECT value FROM meta WHERE key = 'bell'
