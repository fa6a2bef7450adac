-- Invocations that have finished after a number, in order.
SELECT finished_seq, id FROM invocation WHERE finished_seq > ?1 ORDER BY finished_seq LIMIT ?2
