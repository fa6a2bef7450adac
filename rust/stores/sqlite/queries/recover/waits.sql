-- The targets of the waiting bodies of a runner.
SELECT i.id, e.target FROM invocation AS i JOIN wait_edge AS e ON e.waiter = i.seq
WHERE i.place = 4 AND i.runner = ?1 AND typeof(i.id) = 'blob' AND length(i.id) = 16 AND length(e.target) = 16
