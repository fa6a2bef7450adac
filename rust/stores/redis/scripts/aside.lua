#!lua flags=allow-oom
-- Set an invocation aside that was claimed although its record cannot be read: only a look at all of it shows that.
--
-- KEYS: 1 the record, 2 f, 3 m, 4 l. Found inside: what the record names.
-- ARGV: 5 fence of the claim, 6 what is wrong with the record. Answer: whether others may claim something now, or '' if it
-- is not held by this claim any more.
local M = moves()
call('HLEN', KEYS[3])
local id, raw = sub(KEYS[1], -$ID_SIZE), get_one(KEYS[1])
if not raw or sub(raw, $FENCE_AT, $FENCE_END) ~= ARGV[5] then return '' end
M.set_aside(id, raw, ARGV[6])
local work = next(bells) and 1 or 0
ring_bells(KEYS[3])
announce()
return work
