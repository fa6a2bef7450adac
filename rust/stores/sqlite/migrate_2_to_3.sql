-- Version 3 knows invocations that run alone in their process, and has a line for them.
ALTER TABLE invocation ADD COLUMN alone INTEGER NOT NULL DEFAULT 0;
CREATE INDEX invocation_alone ON invocation (place, queue, rank DESC, priority DESC, due, seq) WHERE place > 4;
