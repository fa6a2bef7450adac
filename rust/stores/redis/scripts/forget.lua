#!lua flags=allow-oom
-- Remove every invocation in a part of one chunk of the order of arrival, finished or not, with everything that belongs to it.
--
-- KEYS: 1 o, 2 the chunk, 3 m. Made inside: its records and what belongs to them.
-- ARGV: 5 number of the chunk in four bytes, 6 first place in it, counted from 0: visits $FORGET_PLACES places.
-- Answer: how many invocations there were.
local ORDER, CHUNK_KEY, META = KEYS[1], KEYS[2], KEYS[3]
local M = changes()
call('ZCARD', P .. 'l')
call('SCARD', P .. 'A')
call('HLEN', ORDER)
call('STRLEN', CHUNK_KEY)
call('HLEN', META)
local from, count = tonumber(ARGV[6]), 0
-- From now on, calls arrive in another chunk.
if from == 0 then M.close_order(ARGV[5]) end
local ids = call('GETRANGE', CHUNK_KEY, from * $ID_SIZE, from * $ID_SIZE + $FORGET_PLACES * $ID_SIZE - 1)
for i = 1, #ids, $ID_SIZE do
  local id = sub(ids, i, i + $ID_LAST)
  local r, raw
  if id ~= Z16 then r, raw = M.load(id) end
  if raw and not r then
    -- It was unreadable, and has been set aside.
    call('DEL', P .. 'i:' .. id, P .. 'd:' .. id, P .. 'e:' .. id, P .. 'n:' .. id)
    count = count + 1
  end
  if r then
    M.with_body(r)
    M.deregister(r, id)
    local was = r.status
    if claimed(r.status) then
      M.end_claim(r, id)
    end
    call('DEL', P .. 'i:' .. id, P .. 'd:' .. id, P .. 'e:' .. id, P .. 'n:' .. id)
    if was == $BLOCKED then
      call('ZREM', P .. 'z:' .. r.ckey, M.blocked_place(r, id))
    elseif available(was) then
      M.leave_queue(r, id)
    end
    count = count + 1
  end
end
M.end_leases()
M.count_alone()
send_notices()
if from + $FORGET_PLACES >= CHUNK then
  call('DEL', CHUNK_KEY)
  call('HDEL', ORDER, ARGV[5])
end
call('SPUBLISH', P .. 'p:*', 'A')
return count
