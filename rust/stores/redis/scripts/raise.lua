#!lua flags=allow-oom
-- The targets of a body in another shard move to the front of their queues.
--
-- KEYS: the records of the targets. ARGV: 5 depth of the body. Answer: nothing.
for _, key in ipairs(KEYS) do raise(sub(key, -16), tonumber(ARGV[5])) end
return 0
