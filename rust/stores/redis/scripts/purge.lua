#!lua flags=allow-oom
-- Remove finished invocations whose retention is over, and what is left in the index of those that are gone.
--
-- KEYS: 1 f, 2 o, 3 m. Found inside: the records that the index names, chunks of the order of arrival.
-- ARGV: 5 most in one call. Answer: ids removed because their time was over, then how many entries of the index went.
local M = moves()
call('LLEN', KEYS[1])
call('HLEN', KEYS[2])
call('HLEN', KEYS[3])
local removed, gone = {}, {}
for _, entry in ipairs(call('LRANGE', KEYS[1], '0', tonumber(ARGV[5]) - 1)) do
  local expires, id, seq = unpack('>I6c16c5', entry)
  local over = expires <= now
  if not over and call('EXISTS', P .. 'i:' .. id) == 1 then break end
  -- One that has not finished is here before its time: see `lib.lua`.
  local status = over and byte(call('GETRANGE', P .. 'i:' .. id, '0', '0'))
  if over and (not status or status >= 11) then
    call('DEL', P .. 'i:' .. id, P .. 'd:' .. id, P .. 'e:' .. id, P .. 'n:' .. id)
    removed[#removed + 1] = id
  end
  if not status or status >= 11 then M.forget_order(seq, id) end
  gone[#gone + 1] = entry
end
M.recount()
-- By name, not by how many, and at the end: see `lib.lua`.
for _, entry in ipairs(gone) do call('LREM', KEYS[1], '1', entry) end
if #gone > 0 then M.close_order() end
return { removed, #gone }
