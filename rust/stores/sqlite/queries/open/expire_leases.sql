-- Earlier than any time of the steady clock.
UPDATE invocation SET lease = -1 WHERE place = 4
