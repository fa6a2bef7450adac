#!lua flags=allow-oom
-- The targets of a body in another shard move to the front of their queues.
--
-- KEYS: the records of the targets. ARGV: 5 depth of the body. Answer: nothing.
local M = moves()
for _, key in ipairs(KEYS) do
  local r = M.load(sub(key, -$ID_SIZE))
  if r then M.expect_places(r) end
end
for _, key in ipairs(KEYS) do M.raise(sub(key, -$ID_SIZE), tonumber(ARGV[5])) end
return 0
