#!lua flags=allow-oom
-- The targets of a body in another shard move to the front of their queues.
--
-- KEYS: the records of the targets. ARGV: 5 depth of the body. Answer: 0.
local M, depth = changes(), tonumber(ARGV[5])
for _, key in ipairs(KEYS) do
  local r = M.load(sub(key, -$ID_SIZE))
  if r then M.check_types(r) end
end
for _, key in ipairs(KEYS) do M.raise(sub(key, -$ID_SIZE), depth) end
return 0
