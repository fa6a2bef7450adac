#!lua flags=no-writes
-- How many wait for a runner, without a look at any of them.
--
-- KEYS: 1 Q, then q and s of each queue asked for. Found inside: all queues, if none is asked for.
-- ARGV: 5 whether also those count that are not due yet (1 or 0), 6 and on, names of queues. Answer: the number.
local names = { spread(ARGV, 6) }
if #names == 0 then names = call('SMEMBERS', KEYS[1]) end
local due, count = ARGV[5] == '1' and '+inf' or string.format('%.0f', now), 0
for _, name in ipairs(names) do
  count = count + call('ZCARD', P .. 'q:' .. name) + call('ZCOUNT', P .. 's:' .. name, '-inf', due)
end
return count
