-- The highest number given to a finish so far; purged ones count.
SELECT max(
    coalesce((SELECT max(finished_seq) FROM invocation WHERE finished_seq IS NOT NULL), 0),
    (SELECT value FROM meta WHERE key = 'finished_floor')
)
