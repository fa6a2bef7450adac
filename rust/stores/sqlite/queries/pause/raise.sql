-- Move the invocation before every lower rank, in its queue or among the blocked invocations.
UPDATE invocation SET rank = ?2 WHERE id = ?1 AND rank < ?2
