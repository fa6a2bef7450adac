DELETE FROM invocation WHERE seq = ?1 RETURNING task, queue, status, finished_seq
