-- Version 3 has invocations that run alone in their process, with queues of their own.
ALTER TABLE invocation ADD COLUMN alone INTEGER NOT NULL DEFAULT 0;
CREATE INDEX invocation_alone ON invocation (place, queue, rank DESC, priority DESC, due, seq) WHERE place > 4;
