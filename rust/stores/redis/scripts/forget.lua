#!lua flags=allow-oom
-- Remove every invocation of one chunk of the order of arrival, live or not, with all that belongs to it.
--
-- KEYS: 1 o, 2 the chunk, 3 m. Found inside: its records and what belongs to them.
-- ARGV: 5 number of the chunk in four bytes, 6 where in it to begin, counted from 0: goes through 64 places.
-- Answer: how many there were.
local M = moves()
call('ZCARD', P .. 'l')
call('SCARD', P .. 'A')
call('HLEN', KEYS[1])
call('STRLEN', KEYS[2])
call('HLEN', KEYS[3])
local from, count = tonumber(ARGV[6]), 0
-- What arrives from now on stands elsewhere.
if from == 0 then M.close_order(ARGV[5]) end
local ids = call('GETRANGE', KEYS[2], from * $ID_SIZE, from * $ID_SIZE + $FORGET_PLACES * $ID_SIZE - 1)
for i = 1, #ids, $ID_SIZE do
  local id = sub(ids, i, i + $ID_LAST)
  local r, raw
  if id ~= Z16 then r, raw = M.load(id) end
  if raw and not r then
    -- It could not be read, and has been set aside.
    call('DEL', P .. 'i:' .. id, P .. 'd:' .. id, P .. 'e:' .. id, P .. 'n:' .. id)
    count = count + 1
  end
  if r then
    M.fixed(r)
    M.deregister(r, id)
    local was = r.status
    if claimed(r.status) then
      M.let_go(r, id)
    end
    call('DEL', P .. 'i:' .. id, P .. 'd:' .. id, P .. 'e:' .. id, P .. 'n:' .. id)
    if was == $BLOCKED then
      call('ZREM', P .. 'z:' .. r.ckey, M.parked_place(r, id))
    elseif available(was) then
      M.withdraw(r, id)
    end
    count = count + 1
  end
end
M.part()
M.tidy_alone()
announce()
if from + $FORGET_PLACES >= CHUNK then
  call('DEL', KEYS[2])
  call('HDEL', KEYS[1], ARGV[5])
end
call('SPUBLISH', P .. 'p:*', 'A')
return count
