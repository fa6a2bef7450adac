#!lua flags=allow-oom
-- Remove every invocation of one chunk of the order of arrival, live or not, with all that belongs to it.
--
-- KEYS: 1 o, 2 the chunk. Found inside: its records and what belongs to them.
-- ARGV: 5 number of the chunk. Answer: how many there were.
expect('hash', KEYS[1])
expect('string', KEYS[2])
local ids, count = call('GET', KEYS[2]) or '', 0
for i = 1, #ids, 16 do
  local id = sub(ids, i, i + 15)
  local r = id ~= Z16 and load(id)
  if r then
    fixed(r)
    deregister(r, id)
    if claimed(r.status) then
      let_go(r, id)
    elseif r.status == 2 then
      call('ZREM', P .. 'z:' .. r.ckey, parked_place(r, id))
    elseif available(r.status) then
      withdraw(r, id)
    end
    call('DEL', P .. 'i:' .. id, P .. 'd:' .. id, P .. 'e:' .. id, P .. 'n:' .. id)
    count = count + 1
  end
end
call('DEL', KEYS[2])
call('HDEL', KEYS[1], ARGV[5])
call('SPUBLISH', P .. 'p:*', 'A')
return count
