UPDATE invocation SET cancelled = 1 WHERE seq = ?1
