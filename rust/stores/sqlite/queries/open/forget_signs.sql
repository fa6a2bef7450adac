-- Times of the steady clock of an earlier boot.
DELETE FROM meta WHERE key IN ('heard', 'quiet_until')
