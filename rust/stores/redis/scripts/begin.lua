#!lua flags=allow-oom
-- Start a claim: pending to running. Repeating it is harmless.
--
-- KEYS: 1 the record. ARGV: 5 fence. Answer: 0 done, 1 no record, or the status of one that is not held by this claim.
local M = moves()
local id = sub(KEYS[1], -$ID_SIZE)
local r = M.load(id)
if not r then return { 1 } end
if not claimed(r.status) or r.fence ~= ARGV[5] then return { 2, r.status } end
if r.status == $PENDING then
  M.enter_held(r, $RUNNING, 0, '')
  M.save(id, r)
end
return { 0 }
