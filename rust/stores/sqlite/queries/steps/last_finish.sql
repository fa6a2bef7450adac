-- The highest number of a finish so far, including purged invocations.
SELECT max(
    coalesce((SELECT max(finished_seq) FROM invocation WHERE finished_seq IS NOT NULL), 0),
    (SELECT value FROM meta WHERE key = 'finished_floor')
)
