-- Up to where arrivals and finishes are counted, and how far there is something to count.
SELECT coalesce((SELECT value FROM meta WHERE key = 'tally_seq'), 0),
       coalesce((SELECT value FROM meta WHERE key = 'tally_finished'), 0),
       coalesce((SELECT max(seq) FROM invocation), 0),
       coalesce((SELECT max(finished_seq) FROM invocation WHERE finished_seq IS NOT NULL), 0)
