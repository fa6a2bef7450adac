#!lua flags=allow-oom
-- Withdraw an invocation that no runner has claimed, or record that one which a runner has is to be cancelled.
--
-- KEYS: 1 the record, 2 f, 3 m. Found inside: its queue, its concurrency key, who is parked under it; c:<runner>.
-- ARGV: 5 reason, 6 a random token: by it a cancellation whose answer was lost knows itself, 7 whether one that is
-- claimed may be asked for (1 or 0).
-- Answer: 0 done, 1 claimed, 2 finished, 3 no record, 4 asked for; then whether others may claim something now.
local M = moves()
call('LLEN', KEYS[2])
call('HLEN', KEYS[3])
local id = sub(KEYS[1], -$ID_SIZE)
local r = M.load(id)
if not r then return { call('EXISTS', KEYS[1]) == 1 and $CANCEL_FINISHED or $CANCEL_UNKNOWN, 0 } end
if r.status >= $SUCCESS then return { (r.status == $CANCELLED and r.tag == ARGV[6]) and $CANCEL_DONE or $CANCEL_FINISHED, 0 } end
if claimed(r.status) then
  if ARGV[7] == '0' then return { $CANCEL_CLAIMED, 0 } end
  -- Not in w:<runner>: who may only submit must not write what runners own.
  local wishes = P .. 'c:' .. r.runner
  call('SCARD', wishes)
  if not M.has(r, WISHED) then
    r.flags = r.flags + WISHED
    M.save(id, r)
  end
  call('SADD', wishes, id)
  -- Emptied with the claim; the limit is for the case that a server forgets a part of what it was told.
  call('PEXPIRE', wishes, RETENTION)
  call('SPUBLISH', P .. 'p:*', 'C' .. r.runner)
  return { $CANCEL_REQUESTED, 0 }
end
M.expect_places(r)
local parked = r.status == $BLOCKED and M.parked_place(r, id)
-- It may have been called back to a place under its key: that is another's then.
local back = not parked and M.place_freed(r)
M.finish_unrun(r, id, $CANCELLED, ARGV[5])
-- Nobody waits for it any more: the place of the tag is free for the token.
r.tag = ARGV[6]
call('SET', KEYS[1], M.encode(r), 'PX', RETENTION)
if parked then call('ZREM', P .. 'z:' .. r.ckey, parked) else M.withdraw(r, id) end
ring_bells(KEYS[3])
announce()
return { $CANCEL_DONE, back and 1 or 0 }
