-- Before everything of a lower rank, in the queue or among the parked.
UPDATE invocation SET rank = ?2 WHERE id = ?1 AND rank < ?2
