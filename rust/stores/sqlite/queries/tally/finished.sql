SELECT finished_seq, task, queue, status FROM invocation WHERE finished_seq > ?1 ORDER BY finished_seq LIMIT ?2
