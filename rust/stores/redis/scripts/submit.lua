#!lua
-- Accept calls. Not allowed when memory is full: fails before anything is written.
--
-- KEYS: 1 m, 2 b, 3 q and 4 b of the first queue, then the record of each call, then what else is declared: other
-- queues, arguments kept apart, registration keys.
-- Found inside: Q, o and its chunks; the record under a registration key.
-- ARGV: 3 number of calls, 4 tag of the process that wants to know the outcomes, 5 for each call 7 bytes, its flags and
-- due time; or, if all have the same flags, are due now, go to one queue with one priority, have nothing beside their
-- records and differ in their ids: one byte, those flags. Then each call packed, then the arguments kept apart, in the
-- order of their calls; '' for those that were sent ahead, and are there until their time ends.
-- Answer: nothing if all are new, else one letter per call (N new, S reused with the same arguments, D with others), then
-- the ids of those reused.
if #ARGV[5] == 1 then
  local call, attempt, char, sub, floor, pack = redis.call, redis.pcall, string.char, string.sub, math.floor, struct.pack
  local P, now, n, queue, format = ARGV[1], tonumber(ARGV[2]), #KEYS - 4, KEYS[3], string.format
  if now == 0 then
    local t = call('TIME')
    now = t[1] * 1000 + floor(t[2] / 1000)
  end
  local parked, name = call('EXISTS', KEYS[2], KEYS[4]) > 0 and {}, sub(queue, #P + 3)
  if parked then parked[2], parked[4] = call('ZCARD', KEYS[2]) > 0, call('ZCARD', KEYS[4]) > 0 end
  local unlisted = call('SISMEMBER', P .. 'Q', name) == 0
  local before = tonumber(call('HGET', KEYS[1], 's') or 0)
  local high, seen = floor(before / 65536), before % 65536
  local used = seen % $CHUNK
  -- All numbers of arrival begin with the same three bytes; the very first call, and one of which a part is there already,
  -- are left to the other way.
  if before > 0 and seen + n <= 65536 and call('EXISTS', unpack(KEYS, 5, 4 + n)) == 0 then
    high = pack('>I3', high)
    local chunk = floor(seen / $CHUNK)
    local here, there = high .. char(chunk), used + n > $CHUNK and high .. char(chunk + 1)
    if there or used == 0 then call('HLEN', P .. 'o') end
    if there then call('STRLEN', P .. 'o:' .. there) end
    -- Made with places for one, because a table that grows costs as much as a command.
    local now6, ids, records, members = pack('>I6', now), { false }, { false, false }, { false, false }
    local head = '\$REGISTERED' .. ARGV[5] .. '\0\0\0\0\0\0\0\0' .. ARGV[4] .. '\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0' .. now6 .. now6 .. high
    local place = '\255' .. sub(ARGV[6], 6, 5 + string.byte(ARGV[6], 5)) .. now6 .. high
    for i = 1, n do
      local key, low = KEYS[4 + i], char(floor(seen / 256), seen % 256)
      local id = sub(key, -16)
      ids[i] = id
      records[2 * i - 1], records[2 * i] = key, head .. low .. ARGV[5 + i]
      members[2 * i - 1], members[2 * i] = '0', place .. low .. id
      seen = seen + 1
    end
    call('ZADD', queue, unpack(members))
    call('MSET', unpack(records))
    local all = n == 1 and ids[1] or table.concat(ids, '', 1, there and $CHUNK - used or n)
    local failed = attempt('SETRANGE', P .. 'o:' .. here, format('%d', used * 16), all)
    if type(failed) == 'table' then
      -- What fails is undone: that is cheaper for the others than to look beforehand.
      call('DEL', unpack(KEYS, 5, 4 + n))
      for i = 1, n do call('ZREM', queue, members[2 * i]) end
      return failed
    end
    if used == 0 then call('HSETNX', P .. 'o', here, '$CHUNK') end
    if there then
      call('SETRANGE', P .. 'o:' .. there, '0', table.concat(ids, '', $CHUNK_NEXT - used))
      call('HSETNX', P .. 'o', there, '$CHUNK')
    end
    call('HSET', KEYS[1], 's', format('%d', before + n))
    if unlisted then call('SADD', P .. 'Q', name) end
    if parked then
      -- As `ring_bells` does.
      local left = math.min(n, $MOST_BELLS)
      for bell = 4, 2, -2 do
        for _ = 1, $MOST_DEAD_BELLS do
          if left <= 0 or not parked[bell] then break end
          local top = call('ZPOPMAX', KEYS[bell])
          if not top[1] then break end
          if tonumber(top[2]) < now then
            call('DEL', KEYS[bell])
            break
          end
          if call('SPUBLISH', P .. 'p:' .. top[1], 'W') > 0 then left = left - 1 end
        end
      end
    end
    return ''
  end
end
-- [library]
local made
local function m()
  made = made or moves()
  return made
end
local n, tag, heads = tonumber(ARGV[3]), ARGV[4], ARGV[5]
local next_apart = 6 + n
local calls, queues = {}, {}

local heard = call('ZCARD', P .. 'b')
call('HLEN', P .. 'o')
for i = 1, n do
  local _, code, _, queue, _, _, _, rkey, args = unpack('$CALL_FORMAT', ARGV[5 + i])
  local flags, due = byte(heads, 1), 0
  if #heads > 1 then flags, due = byte(heads, 7 * i - 6), unpack('>I6', heads, 7 * i - 5) end
  calls[i] = { queue = queue, code = code, rkey = rkey, args = args, flags = flags, due = math.max(due, now) }
  if not queues[queue] then
    queues[queue] = { known = call('SISMEMBER', P .. 'Q', queue) == 1, ready = {} }
    call('ZCARD', P .. 'q:' .. queue)
    heard = heard + call('ZCARD', P .. 'b:' .. queue)
  end
  if rkey ~= '' then call('STRLEN', P .. 'r:' .. rkey) end
  if due > now then call('ZCARD', P .. 's:' .. queue) end
end
local next_ahead = next_apart
for i, one in ipairs(calls) do
  if one.flags % $RESULT_APART == $ARGS_APART then
    if ARGV[next_ahead] == '' and call('EXISTS', P .. 'd:' .. sub(KEYS[4 + i], -16)) == 0 then
      return redis.error_reply('TRYAGAIN the arguments sent ahead are gone')
    end
    next_ahead = next_ahead + 1
  end
end
local before = tonumber(call('HGET', KEYS[1], 's') or 0)
for _, seq in ipairs({ before, before + n }) do call('STRLEN', P .. 'o:' .. sub(pack('>I5', seq), 1, 4)) end

local codes, answer, fresh, delayed, seq = {}, { '' }, {}, {}, before
-- What is new of this batch, by its id and by its registration key.
local here, mine = {}, {}

local function registered(rkey)
  if mine[rkey] then return mine[rkey].id, mine[rkey].args end
  local id = call('GET', P .. 'r:' .. rkey)
  local raw = id and get_one(P .. 'i:' .. id)
  local r = raw and m().examine(raw)
  -- Accepted, put off, or called back: not claimed yet.
  if r and r.status <= $REROUTED then return id, m().fixed(r).args end
end

for i, one in ipairs(calls) do
  one.id, one.key, one.packed = sub(KEYS[4 + i], -16), KEYS[4 + i], ARGV[5 + i]
  one.apart = one.flags % $RESULT_APART == $ARGS_APART and ARGV[next_apart]
  if one.apart then next_apart = next_apart + 1 end
  local known = here[one.id] or call('EXISTS', one.key) == 1
  local existing, args
  if one.rkey ~= '' and not known then existing, args = registered(one.rkey) end
  codes[i] = 'N'
  if existing then
    codes[i] = args == one.args and 'S' or 'D'
    answer[#answer + 1] = existing
    one.unneeded = one.apart == ''
  elseif not known then
    one.seq = pack('>I5', seq)
    one.member = '\255' .. one.code .. pack('>I6', one.due) .. one.seq .. one.id
    if one.due <= now then
      local list = queues[one.queue].ready
      list[#list + 1] = '0'
      list[#list + 1] = one.member
    else
      delayed[#delayed + 1] = one
    end
    here[one.id] = true
    if one.rkey ~= '' then mine[one.rkey] = one end
    fresh[#fresh + 1] = one
    seq = seq + 1
  end
end

for queue, of in pairs(queues) do
  if #of.ready > 0 then
    call('ZADD', P .. 'q:' .. queue, spread(of.ready))
    if not of.known then call('SADD', P .. 'Q', queue) end
    want_bell(queue, #of.ready / 2)
  end
end
for _, one in ipairs(delayed) do
  local key = P .. 's:' .. one.queue
  call('ZADD', key, one.due, one.member)
  call('SADD', P .. 'Q', one.queue)
  if call('ZRANGE', key, '0', '0')[1] == one.member then want_bell(one.queue) end
end
for _, one in ipairs(calls) do
  if one.unneeded then
    call('DEL', P .. 'd:' .. one.id)
  elseif one.seq then
    call('SET', one.key, pack('$NEW_FORMAT', $REGISTERED, one.flags, Z8, tag, Z16, one.due, now) .. one.seq .. one.packed)
    if one.apart == '' then
      call('PERSIST', P .. 'd:' .. one.id)
    elseif one.apart then
      call('SET', P .. 'd:' .. one.id, one.apart)
    end
    if one.rkey ~= '' then call('SET', P .. 'r:' .. one.rkey, one.id) end
  end
end
local at = 1
while at <= #fresh do
  local place = before + at - 1
  local chunk, ids = sub(pack('>I5', place), 1, 4), {}
  local last = math.min(#fresh, at + CHUNK - 1 - place % CHUNK)
  for i = at, last do ids[#ids + 1] = fresh[i].id end
  call('SETRANGE', P .. 'o:' .. chunk, place % CHUNK * 16, table.concat(ids))
  if place % CHUNK == 0 then call('HSETNX', P .. 'o', chunk, CHUNK) end
  at = last + 1
end
if #fresh > 0 then
  call('HSET', KEYS[1], 's', string.format('%.0f', before + #fresh))
  -- The first since the server was emptied: another marker, by which others see that its numbers begin anew.
  if before == 0 then call('HSETNX', KEYS[1], 'a', string.format('$LAYOUT:%.0f', now)) end
end
if heard > 0 then ring_bells() end
answer[1] = table.concat(codes)
return answer
