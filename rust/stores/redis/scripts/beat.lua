#!lua flags=allow-oom
-- Extend the lease of everything a runner owns, and note when. Works when memory is full.
--
-- KEYS: 1 l, 2 w:<runner>, 3 m, 4 c:<runner>. ARGV: 5 lease in milliseconds.
-- Answer: ids and fences, one after the other; ids of those that are to be cancelled.
-- [signs]
call('ZCARD', KEYS[1])
call('HLEN', KEYS[2])
call('HLEN', KEYS[3])
call('SCARD', KEYS[4])
hear(KEYS[3], KEYS[1], tonumber(ARGV[5]))
local owned, wishes = call('HGETALL', KEYS[2]), call('SMEMBERS', KEYS[4])
local leases = {}
for i = 1, #owned, 2 do
  leases[i] = now + tonumber(ARGV[5])
  leases[i + 1] = owned[i]
end
-- Only a claim has a lease that can be renewed. What was set aside has none, and may still be listed here.
local renewed = 0
for i = 1, #leases, $MOST_UNPACKED do
  renewed = renewed + call('ZADD', KEYS[1], 'XX', 'CH', spread(leases, i, math.min(i + $MOST_UNPACKED_LESS_ONE, #leases)))
end
if renewed < #owned / 2 then
  local held = {}
  for i = 1, #owned, 2 do
    if call('ZSCORE', KEYS[1], owned[i]) then
      held[#held + 1] = owned[i]
      held[#held + 1] = owned[i + 1]
    else
      call('HDEL', KEYS[2], owned[i])
    end
  end
  owned = held
end
return { owned, wishes }
