#!lua flags=allow-oom
-- Extend the lease of everything that a runner owns, and record its sign of life. Works when memory is full.
--
-- KEYS: 1 l, 2 w:<runner>, 3 m, 4 c:<runner>. ARGV: 5 lease in milliseconds.
-- Answer: ids and fences in turns; ids of the invocations to cancel.
-- [signs]
local LEASES, OWNED, META, TO_CANCEL_KEY = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local lease = tonumber(ARGV[5])
call('ZCARD', LEASES)
call('HLEN', OWNED)
call('HLEN', META)
call('SCARD', TO_CANCEL_KEY)
note_sign(META, LEASES, lease)
local owned, cancelled = call('HGETALL', OWNED), call('SMEMBERS', TO_CANCEL_KEY)
local leases = {}
for i = 1, #owned, 2 do
  leases[i] = now + lease
  leases[i + 1] = owned[i]
end
-- Renew existing leases only. An invocation that was set aside has none, and may still be listed as owned.
local renewed = 0
for i = 1, #leases, $MOST_UNPACKED do
  renewed = renewed + call('ZADD', LEASES, 'XX', 'CH', spread(leases, i, math.min(i + $MOST_UNPACKED_LESS_ONE, #leases)))
end
if renewed < #owned / 2 then
  local held = {}
  for i = 1, #owned, 2 do
    if call('ZSCORE', LEASES, owned[i]) then
      held[#held + 1] = owned[i]
      held[#held + 1] = owned[i + 1]
    else
      call('HDEL', OWNED, owned[i])
    end
  end
  owned = held
end
return { owned, cancelled }
