#!lua flags=no-writes
-- How many are due and wait for a slot, without a look at any of them.
--
-- KEYS: 1 Q, then q and s of each queue asked for. Found inside: all queues, if none is asked for.
-- ARGV: 5 and on, names of queues. Answer: the number.
local names = { spread(ARGV, 5) }
if #names == 0 then names = call('SMEMBERS', KEYS[1]) end
local due, count = string.format('%.0f', now), 0
for _, name in ipairs(names) do
  count = count + call('ZCARD', P .. 'q:' .. name) + call('ZCOUNT', P .. 's:' .. name, '-inf', due)
end
return count
