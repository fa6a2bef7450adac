#!lua flags=allow-oom
-- Remove finished invocations whose retention is over, and entries of the index whose invocations are gone.
--
-- The index is in the order of expiry, unless the retention was shortened meanwhile. Then the entries in front, which expire
-- later, move to a set that is sorted by itself, a piece at a time.
--
-- KEYS: 1 f, 2 o, 3 m, 4 g. Made inside: records that the index names, chunks of the order of arrival.
-- ARGV: 5 most entries in one call, 6 whether to look for entries of the set that have not expired (1 or 0).
-- Answer: ids of the expired invocations that were removed, then how many entries of the index were handled.
local FINISHED, ORDER, META, FINISHED_APART = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local M = changes()
call('LLEN', FINISHED)
call('HLEN', ORDER)
call('HLEN', META)
call('ZCARD', FINISHED_APART)
local most = tonumber(ARGV[5])
local removed, gone, late, moved = {}, {}, {}, {}

-- Remove the invocation of this entry. False if it has to stay.
local function forget(entry)
  local expires, id, seq = unpack('$ENDED_FORMAT', entry)
  local over = expires <= now
  if not over and call('EXISTS', P .. 'i:' .. id) == 1 then return false end
  -- A torn script may have left the entry of an invocation that has not finished: see `lib/begin.lua`.
  local first = over and redis.pcall('GETRANGE', P .. 'i:' .. id, '0', '0')
  local status = type(first) == 'string' and byte(first)
  if over and (not status or status >= $SUCCESS) then
    call('DEL', P .. 'i:' .. id, P .. 'd:' .. id, P .. 'e:' .. id, P .. 'n:' .. id)
    removed[#removed + 1] = id
  end
  if not status or status >= $SUCCESS then M.forget_order(seq, id) end
  return true
end

-- Whether any of a few entries behind this entry expires before it.
local function is_out_of_order(expires)
  local length = call('LLEN', FINISHED)
  for part = 1, $PARTS_LOOKED_AT do
    local other = call('LINDEX', FINISHED, string.format('%d', math.floor((length - 1) * part / $PARTS_LOOKED_AT)))
    if unpack('$TIME_FORMAT', other) < expires then return true end
  end
  return false
end

local others
if ARGV[6] == '1' then
  others = call('ZRANGE', FINISHED_APART, '0', most - 1)
else
  others = call('ZRANGEBYSCORE', FINISHED_APART, '-inf', string.format('%.0f', now), 'LIMIT', '0', most)
end
for _, entry in ipairs(others) do
  if forget(entry) then late[#late + 1] = entry end
end
local unordered
for _, entry in ipairs(call('LRANGE', FINISHED, '0', most - 1)) do
  if not forget(entry) then
    local expires = unpack('$TIME_FORMAT', entry)
    if unordered == nil then unordered = is_out_of_order(expires) end
    if not unordered then break end
    moved[#moved + 1] = string.format('%.0f', expires)
    moved[#moved + 1] = entry
  end
  gone[#gone + 1] = entry
end
if moved[1] then call('ZADD', FINISHED_APART, spread(moved)) end
M.recount()
-- Remove by name, not by count, and last: see `lib/begin.lua`.
for _, entry in ipairs(gone) do call('LREM', FINISHED, '1', entry) end
if late[1] then call('ZREM', FINISHED_APART, spread(late)) end
if #gone + #late > 0 then M.close_order() end
return { removed, math.max(#gone, #late) }
