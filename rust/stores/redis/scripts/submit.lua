#!lua
-- Accept calls. Not allowed when memory is full: fails before anything is written.
--
-- KEYS: 1 m, 2 o, 3 Q, then the record of each call, then what else is declared: queues, bells, registration keys.
-- Found inside: chunks of the order of arrival; the record under a registration key.
-- ARGV: 5 number of calls, 6 tag of the process that wants to know the outcomes, 7 number of routes, then queue and
-- priority code of each route, then each call packed, then the arguments kept apart, in the order of their calls.
-- Answer: one letter per call (N new, S reused with the same arguments, D with others), then the ids of those reused.
local made
local function m()
  made = made or moves()
  return made
end
local n, tag, routes = tonumber(ARGV[5]), ARGV[6], tonumber(ARGV[7])
local first_call = 8 + 2 * routes
local next_apart = first_call + n

local known, heard = {}, call('ZCARD', P .. 'b')
call('HLEN', KEYS[2])
for i = 0, routes - 1 do
  local queue = ARGV[8 + 2 * i]
  known[queue] = call('SISMEMBER', KEYS[3], queue) == 1
  call('ZCARD', P .. 'q:' .. queue)
  heard = heard + call('ZCARD', P .. 'b:' .. queue)
end
local seen = tonumber(call('HGET', KEYS[1], 's') or 0)
call('STRLEN', P .. 'o:' .. math.floor(seen / CHUNK))
-- Plain: due now, no registration key, arguments in the record. Such calls are not taken apart.
local plain = true
for i = 1, n do
  local packed = ARGV[first_call + i - 1]
  local flags = byte(packed, 3)
  if flags % 2 == 1 or flags >= REGISTRATION or sub(packed, 4, 9) ~= '\0\0\0\0\0\0' then
    plain = false
    local route, _, due, rkey = unpack('>I2BI6I2c0', packed)
    if rkey ~= '' then call('STRLEN', P .. 'r:' .. rkey) end
    if due > now then call('ZCARD', P .. 's:' .. ARGV[8 + 2 * route]) end
  end
end

local last = call('HINCRBY', KEYS[1], 's', n)
-- The first since the server was emptied: another marker, by which others see that its numbers begin anew.
if last == n then call('HSETNX', KEYS[1], 'a', string.format('%.0f', now)) end
local seq = last - n
local codes, answer = {}, { '' }
local ready, order, fresh, delayed = {}, {}, {}, {}
local TAIL = string.rep('\0', 14)

local function registered(rkey)
  local id = call('GET', P .. 'r:' .. rkey)
  local r = id and m().load(id)
  return r and r.status == 1 and id, r
end

local function accept_each()
  for i = 1, n do
    local key, packed = KEYS[3 + i], ARGV[first_call + i - 1]
    local id = sub(key, -16)
    local route, flags, due, rkey, args, at = unpack('>I2BI6I2c0I2c0', packed)
    local apart = flags % 2 == 1 and ARGV[next_apart]
    if apart then next_apart = next_apart + 1 end
    local existing, other
    if rkey ~= '' and call('EXISTS', key) == 0 then existing, other = registered(rkey) end
    local place_id, code = Z16, 'N'
    if existing then
      code = m().fixed(other).args == args and 'S' or 'D'
      answer[#answer + 1] = existing
    else
      if due < now then due = now end
      local static, seq5 = sub(packed, at), pack('>I5', seq)
      local record = pack('>BBc8c8c16I6I4', 1, flags, Z8, tag, Z16, due, 11 + #static) .. seq5 .. now6 .. static .. TAIL
      if call('SET', key, record, 'NX') then
        if apart then call('SET', P .. 'd:' .. id, apart) end
        if rkey ~= '' then call('SET', P .. 'r:' .. rkey, id) end
        local member = '\255' .. ARGV[9 + 2 * route] .. pack('>I6', due) .. seq5 .. id
        local list = ready[route]
        if due <= now then
          if not list then
            list = {}
            ready[route] = list
          end
          list[#list + 1] = '0'
          list[#list + 1] = member
        else
          delayed[#delayed + 1] = { route, due, member }
        end
        place_id = id
        local chunk = math.floor(seq / CHUNK)
        fresh[chunk] = (fresh[chunk] or 0) + 1
      end
    end
    codes[i] = code
    order[i] = place_id
    seq = seq + 1
  end
end

-- All in one write, unless one of them is there already: sent again, or twice in this batch.
local function accept_all()
  local sets, orders, members, heads, lengths, seen_ids = {}, {}, {}, {}, {}, {}
  for i = 1, n do
    local key, packed = KEYS[3 + i], ARGV[first_call + i - 1]
    local id = sub(key, -16)
    if seen_ids[id] then return false end
    seen_ids[id] = true
    local high, low, flags = byte(packed, 1, 3)
    local hash_high, hash_low = byte(packed, 12, 13)
    local at = 14 + hash_high * 256 + hash_low
    local length, route = 12 + #packed - at, high * 256 + low
    local head, length4, seq5 = heads[flags], lengths[length], pack('>I5', last - n + i - 1)
    if not head then
      head = pack('>BBc8c8c16', 1, flags, Z8, tag, Z16) .. now6
      heads[flags] = head
    end
    if not length4 then
      length4 = pack('>I4', length)
      lengths[length] = length4
    end
    sets[2 * i - 1] = key
    sets[2 * i] = head .. length4 .. seq5 .. now6 .. sub(packed, at) .. TAIL
    local list = members[route]
    if not list then
      list = { place = '\255' .. ARGV[9 + 2 * route] .. now6 }
      members[route] = list
    end
    list[#list + 1] = '0'
    list[#list + 1] = list.place .. seq5 .. id
    orders[i] = id
  end
  if call('MSETNX', spread(sets)) == 0 then return false end
  ready, order = members, orders
  codes[1] = string.rep('N', n)
  for chunk = math.floor((last - n) / CHUNK), math.floor((last - 1) / CHUNK) do
    fresh[chunk] = math.min(last, chunk * CHUNK + CHUNK) - math.max(last - n, chunk * CHUNK)
  end
  return true
end

if not plain or not accept_all() then accept_each() end

for chunk, count in pairs(fresh) do
  local from, to = math.max(last - n, chunk * CHUNK), math.min(last - 1, chunk * CHUNK + CHUNK - 1)
  local ids = table.concat(order, '', from - (last - n) + 1, to - (last - n) + 1)
  call('SETRANGE', P .. 'o:' .. chunk, (from % CHUNK) * 16, ids)
  call('HINCRBY', KEYS[2], chunk, count)
end
for route, list in pairs(ready) do
  local queue = ARGV[8 + 2 * route]
  call('ZADD', P .. 'q:' .. queue, spread(list))
  if not known[queue] then call('SADD', KEYS[3], queue) end
  want_bell(queue, #list / 2)
end
for _, one in ipairs(delayed) do
  local queue = ARGV[8 + 2 * one[1]]
  call('ZADD', P .. 's:' .. queue, one[2], one[3])
  call('SADD', KEYS[3], queue)
  if call('ZRANGE', P .. 's:' .. queue, '0', '0')[1] == one[3] then want_bell(queue) end
end
if heard > 0 then ring_bells() end
answer[1] = table.concat(codes)
return answer
