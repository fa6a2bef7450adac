UPDATE invocation SET lease = ?2 WHERE place = 4 AND runner = ?1 RETURNING id, fence, cancelled
