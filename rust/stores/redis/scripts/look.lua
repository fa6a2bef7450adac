#!lua flags=allow-oom
-- Poll for changes whose notifications were lost. Also keeps this process listed as idle, unless a script has woken it.
--
-- KEYS: 1 m, 2 f. For a runner also 3 l, then the keys that list it as idle. ARGV: 5 tag.
-- Answer: marker of the app, numbers that change with new work, the last outcome, whether anything is claimed.
local META, FINISHED, LEASES = KEYS[1], KEYS[2], KEYS[3]
for i = 4, #KEYS do
  call('ZADD', KEYS[i], 'XX', now + $IDLE_MS, ARGV[5])
  if call('EXISTS', KEYS[i]) == 1 then call('PEXPIRE', KEYS[i], '$IDLE_KEY_MS') end
end
local marker, arrivals, wakes = spread(call('HMGET', META, 'a', 's', 'w'))
local numbers = (arrivals or '') .. ' ' .. (wakes or '')
return { marker or '', numbers, call('LINDEX', FINISHED, '-1') or '', LEASES and call('EXISTS', LEASES) or 0 }
