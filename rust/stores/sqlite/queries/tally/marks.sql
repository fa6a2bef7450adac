-- The last counted arrival and finish, and the last arrival and finish.
SELECT coalesce((SELECT value FROM meta WHERE key = 'tally_seq'), 0),
       coalesce((SELECT value FROM meta WHERE key = 'tally_finished'), 0),
       coalesce((SELECT max(seq) FROM invocation), 0),
       coalesce((SELECT max(finished_seq) FROM invocation WHERE finished_seq IS NOT NULL), 0)
