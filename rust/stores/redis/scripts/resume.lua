#!lua flags=allow-oom
-- Waiting bodies go on: paused to running. Their targets are forgotten.
--
-- KEYS: the record of each. ARGV: from 5 on the fence of each. Answer: a digit per body, 1 if its claim still owns the invocation.
local M = changes()
local codes = {}
for i, key in ipairs(KEYS) do
  local id = sub(key, -$ID_SIZE)
  local r = M.load(id)
  local held = r and claimed(r.status) and r.fence == ARGV[4 + i]
  codes[i] = held and 1 or 0
  if held and r.status == $PAUSED then
    r.waits = ''
    M.enter_by_owner(r, $RUNNING, 0, '')
    M.save(id, r)
  end
end
return table.concat(codes)
