#!lua flags=allow-oom
-- Begin a claim: pending to running. Repeating it is harmless.
--
-- KEYS: 1 the record. ARGV: 5 fence. Answer: 0 done, 1 no record, or 2 and the status if this claim does not own the invocation.
local RECORD_KEY = KEYS[1]
local M = changes()
local id = sub(RECORD_KEY, -$ID_SIZE)
local r = M.load(id)
if not r then return { 1 } end
if not claimed(r.status) or r.fence ~= ARGV[5] then return { 2, r.status } end
if r.status == $PENDING then
  M.enter_by_owner(r, $RUNNING, 0, '')
  M.save(id, r)
end
return { 0 }
