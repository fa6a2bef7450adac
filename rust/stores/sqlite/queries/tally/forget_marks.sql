DELETE FROM meta WHERE key IN ('tally_seq', 'tally_finished')
