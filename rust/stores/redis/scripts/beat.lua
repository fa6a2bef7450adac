#!lua flags=allow-oom
-- Extend the lease of everything a runner owns, and note when. Works when memory is full.
--
-- KEYS: 1 l, 2 w:<runner>, 3 m, 4 c:<runner>. ARGV: 5 lease in milliseconds.
-- Answer: ids and fences, one after the other; ids of those that are to be cancelled.
-- [signs]
call('ZCARD', KEYS[1])
call('HLEN', KEYS[2])
call('HLEN', KEYS[3])
hear(KEYS[3], KEYS[1], tonumber(ARGV[5]))
local owned, wishes = call('HGETALL', KEYS[2]), call('SMEMBERS', KEYS[4])
local leases = {}
for i = 1, #owned, 2 do
  leases[i] = now + tonumber(ARGV[5])
  leases[i + 1] = owned[i]
end
for i = 1, #leases, 1000 do call('ZADD', KEYS[1], spread(leases, i, math.min(i + 999, #leases))) end
return { owned, wishes }
