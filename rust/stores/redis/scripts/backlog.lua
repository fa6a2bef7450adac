#!lua flags=no-writes
-- Count the invocations that wait for a runner, without reading them.
--
-- KEYS: 1 Q, then q and s of each queue asked for. Made inside: keys of all queues, if no queue is named.
-- ARGV: 5 whether invocations count that are not due yet, or run alone in their process (1 or 0), 6 and on: names of queues.
-- Answer: the number.
local QUEUES = KEYS[1]
local names, every, all = { spread(ARGV, 6) }, #ARGV == 5, ARGV[5] == '1'
if every then names = call('SMEMBERS', QUEUES) end
local due, count = all and '+inf' or string.format('%.0f', now), 0
if all and every then
  for _, name in ipairs(call('SMEMBERS', P .. 'A')) do names[#names + 1] = name end
elseif all then
  for i = 1, #names do names[#names + 1] = '\$ALONE_MARK' .. names[i] end
end
for _, name in ipairs(names) do
  count = count + call('ZCARD', P .. 'q:' .. name) + call('ZCOUNT', P .. 's:' .. name, '-inf', due)
end
return count
