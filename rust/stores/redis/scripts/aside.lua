#!lua flags=allow-oom
-- Set aside an invocation that was claimed although its record cannot be read: only a reader of the whole record notices.
--
-- KEYS: 1 the record, 2 f, 3 m, 4 l. Made inside: keys that the record names.
-- ARGV: 5 fence of the claim, 6 what is wrong with the record.
-- Answer: 1 if this allows other claims, else 0; or '' if this claim does not own the invocation any more.
local RECORD_KEY, META = KEYS[1], KEYS[3]
local M = changes()
call('HLEN', META)
local id, raw = sub(RECORD_KEY, -$ID_SIZE), get_one(RECORD_KEY)
if not raw or sub(raw, $FENCE_AT, $FENCE_END) ~= ARGV[5] then return '' end
M.set_aside(id, raw, ARGV[6])
local work = next(wanted) and 1 or 0
wake_idle(META)
send_notices()
return work
