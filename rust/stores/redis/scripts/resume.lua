#!lua flags=allow-oom
-- Bodies go on: paused to running, and what they waited for is forgotten.
--
-- KEYS: the record of each. ARGV: from 5 on the fence of each. Answer: a digit per body, 1 if its claim is still held.
local M = moves()
local codes = {}
for i, key in ipairs(KEYS) do
  local id = sub(key, -$ID_SIZE)
  local r = M.load(id)
  local held = r and claimed(r.status) and r.fence == ARGV[4 + i]
  codes[i] = held and 1 or 0
  if held and r.status == $PAUSED then
    r.waits = ''
    M.enter_held(r, $RUNNING, 0, '')
    M.save(id, r)
  end
end
return table.concat(codes)
