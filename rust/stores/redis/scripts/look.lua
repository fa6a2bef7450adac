#!lua flags=allow-oom
-- The slow look that makes up for lost notifications: has anything happened? Keeps what this process is parked under
-- alive, unless a bell has taken it out.
--
-- KEYS: 1 m, 2 f, then for who listens for work 3 l and where it is parked. ARGV: 5 tag.
-- Answer: marker of the app, numbers that move with new work, the last outcome, whether anything is claimed.
for i = 4, #KEYS do
  call('ZADD', KEYS[i], 'XX', now + $IDLE_MS, ARGV[5])
  if call('EXISTS', KEYS[i]) == 1 then call('PEXPIRE', KEYS[i], '$IDLE_KEY_MS') end
end
local meta = call('HMGET', KEYS[1], 'a', 's', 'w')
return { meta[1] or '', (meta[2] or '') .. ' ' .. (meta[3] or ''), call('LINDEX', KEYS[2], '-1') or '', KEYS[3] and call('EXISTS', KEYS[3]) or 0 }
