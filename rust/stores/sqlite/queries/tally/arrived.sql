SELECT seq, task, queue, 0 FROM invocation WHERE seq > ?1 ORDER BY seq LIMIT ?2
