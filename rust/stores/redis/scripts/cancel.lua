#!lua flags=allow-oom
-- Cancel an invocation that no runner has claimed, or ask the runner that has claimed it to cancel it.
--
-- KEYS: 1 the record, 2 f, 3 m. Made inside: its queue, its concurrency key, what that blocks; c:<runner>.
-- ARGV: 5 reason, 6 a random token: by it a cancellation whose answer was lost recognises its own work, 7 whether a claimed
-- invocation may be cancelled (1 or 0).
-- Answer: a code (see `CANCEL_DONE` in `layout.rs`), and whether this allows other claims (1 or 0).
local RECORD_KEY, FINISHED, META = KEYS[1], KEYS[2], KEYS[3]
local M = changes()
call('LLEN', FINISHED)
call('HLEN', META)
local id = sub(RECORD_KEY, -$ID_SIZE)
local r = M.load(id)
if not r then return { call('EXISTS', RECORD_KEY) == 1 and $CANCEL_FINISHED or $CANCEL_UNKNOWN, 0 } end
if r.status >= $SUCCESS then return { (r.status == $CANCELLED and r.tag == ARGV[6]) and $CANCEL_DONE or $CANCEL_FINISHED, 0 } end
if claimed(r.status) then
  if ARGV[7] == '0' then return { $CANCEL_CLAIMED, 0 } end
  -- A key besides w:<runner>, because a user who may only submit must not write what runners own.
  local to_cancel = P .. 'c:' .. r.runner
  call('SCARD', to_cancel)
  if not M.has(r, TO_CANCEL) then
    r.flags = r.flags + TO_CANCEL
    M.save(id, r)
  end
  call('SADD', to_cancel, id)
  -- The end of the claim empties it. The expiry is for a server that lost a part of its log.
  call('PEXPIRE', to_cancel, RETENTION)
  call('SPUBLISH', P .. 'p:*', 'C' .. r.runner)
  return { $CANCEL_REQUESTED, 0 }
end
M.check_types(r)
local blocked = r.status == $BLOCKED and M.blocked_place(r, id)
-- If its concurrency key had admitted it again, the key admits another one now.
local back = not blocked and M.unblock_next(r)
M.finish_without_body(r, id, $CANCELLED, ARGV[5])
-- Nobody waits any more, so the field of the tag is free for the token.
r.tag = ARGV[6]
call('SET', RECORD_KEY, M.encode(r), 'PX', RETENTION)
if blocked then call('ZREM', P .. 'z:' .. r.ckey, blocked) else M.leave_queue(r, id) end
wake_idle(META)
send_notices()
return { $CANCEL_DONE, back and 1 or 0 }
