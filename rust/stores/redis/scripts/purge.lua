#!lua flags=allow-oom
-- Remove finished invocations whose retention is over, and what is left in the index of those that are gone.
--
-- The index is in the order of the end of retention, unless that was shortened meanwhile: then those in front, which stay for
-- longer, move to a set that is in order by itself, a piece at a time.
--
-- KEYS: 1 f, 2 o, 3 m, 4 g. Found inside: the records that the index names, chunks of the order of arrival.
-- ARGV: 5 most in one call, 6 whether also entries of the set are looked for whose time is not over (1 or 0).
-- Answer: ids removed because their time was over, then how many entries of the index were handled.
local M = moves()
call('LLEN', KEYS[1])
call('HLEN', KEYS[2])
call('HLEN', KEYS[3])
call('ZCARD', KEYS[4])
local most = tonumber(ARGV[5])
local removed, gone, late, moved = {}, {}, {}, {}

-- Whether nothing is left of it now; false for one that stays.
local function forget(entry)
  local expires, id, seq = unpack('$ENDED_FORMAT', entry)
  local over = expires <= now
  if not over and call('EXISTS', P .. 'i:' .. id) == 1 then return false end
  -- One that has not finished is here before its time: see `lib/begin.lua`.
  local first = over and redis.pcall('GETRANGE', P .. 'i:' .. id, '0', '0')
  local status = type(first) == 'string' and byte(first)
  if over and (not status or status >= $SUCCESS) then
    call('DEL', P .. 'i:' .. id, P .. 'd:' .. id, P .. 'e:' .. id, P .. 'n:' .. id)
    removed[#removed + 1] = id
  end
  if not status or status >= $SUCCESS then M.forget_order(seq, id) end
  return true
end

-- Whether something that stands behind an entry with this end, in one of a few places, ends before it.
local function is_out_of_order(expires)
  local length = call('LLEN', KEYS[1])
  for part = 1, $PARTS_LOOKED_AT do
    local other = call('LINDEX', KEYS[1], string.format('%d', math.floor((length - 1) * part / $PARTS_LOOKED_AT)))
    if unpack('$TIME_FORMAT', other) < expires then return true end
  end
  return false
end

local others
if ARGV[6] == '1' then
  others = call('ZRANGE', KEYS[4], '0', most - 1)
else
  others = call('ZRANGEBYSCORE', KEYS[4], '-inf', string.format('%.0f', now), 'LIMIT', '0', most)
end
for _, entry in ipairs(others) do
  if forget(entry) then late[#late + 1] = entry end
end
local unordered
for _, entry in ipairs(call('LRANGE', KEYS[1], '0', most - 1)) do
  if not forget(entry) then
    local expires = unpack('$TIME_FORMAT', entry)
    if unordered == nil then unordered = is_out_of_order(expires) end
    if not unordered then break end
    moved[#moved + 1] = string.format('%.0f', expires)
    moved[#moved + 1] = entry
  end
  gone[#gone + 1] = entry
end
if moved[1] then call('ZADD', KEYS[4], spread(moved)) end
M.recount()
-- By name, not by how many, and at the end: see `lib/begin.lua`.
for _, entry in ipairs(gone) do call('LREM', KEYS[1], '1', entry) end
if late[1] then call('ZREM', KEYS[4], spread(late)) end
if #gone + #late > 0 then M.close_order() end
return { removed, math.max(#gone, #late) }
