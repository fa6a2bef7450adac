#!lua
-- Accept calls. Not allowed when memory is full: it fails before the first write.
--
-- KEYS: 1 m, 2 b, 3 q and 4 b of the first queue, then the record of each call, then further declared keys: other queues,
-- arguments kept apart, registration keys.
-- Made inside: Q, o and its chunks; the record that holds a registration key.
-- ARGV: 3 number of calls, 4 tag of the process that subscribes to the outcomes, 5 flags and due time of each call; or only
-- the byte of the flags, if all calls have the same flags, are due now, go to one queue with one priority, have no keys besides
-- their records, and differ in their ids. Then each packed call, then the arguments kept apart in the order of their calls: ''
-- if they were sent ahead and are stored until they expire.
-- Answer: '' if all are new. Else a letter per call (N new, S reused with the same arguments, D with others), then the ids of
-- the reused invocations.
if #ARGV[5] == 1 then
  local call, attempt, char, sub, floor, pack = redis.call, redis.pcall, string.char, string.sub, math.floor, struct.pack
  local P, now, n, queue, format = ARGV[1], tonumber(ARGV[2]), #KEYS - 4, KEYS[3], string.format
  if now == 0 then
    local t = call('TIME')
    now = t[1] * 1000 + floor(t[2] / 1000)
  end
  local idle, name = call('EXISTS', KEYS[2], KEYS[4]) > 0 and {}, sub(queue, #P + $KEY_NAME_AT)
  if idle then idle[2], idle[4] = call('ZCARD', KEYS[2]) > 0, call('ZCARD', KEYS[4]) > 0 end
  local unlisted = call('SISMEMBER', P .. 'Q', name) == 0
  local before = tonumber(call('HGET', KEYS[1], 's') or 0)
  local high, seen = floor(before / 65536), before % 65536
  local used = seen % $CHUNK
  -- All numbers of arrival start with the same three bytes. `any.lua` serves the very first call, and calls of which a part is
  -- stored already.
  if before > 0 and seen + n <= 65536 and call('EXISTS', unpack(KEYS, 5, 4 + n)) == 0 then
    high = pack('$HIGH_SEQ_FORMAT', high)
    local chunk = floor(seen / $CHUNK)
    local here, there = high .. char(chunk), used + n > $CHUNK and high .. char(chunk + 1)
    if there or used == 0 then call('HLEN', P .. 'o') end
    if there then call('STRLEN', P .. 'o:' .. there) end
    -- Tables start with places for one call: a table that grows costs as much as a command.
    local now6, ids, records, members = pack('$TIME_FORMAT', now), { false }, { false, false }, { false, false }
    local head = '\$REGISTERED' .. ARGV[5] .. '$NO_FENCE' .. ARGV[4] .. '$NO_COUNTS' .. now6 .. now6 .. high
    local place = '\$NOT_WAITED_FOR' .. sub(ARGV[6], $CODE_AT, $CODE_LENGTH_AT + string.byte(ARGV[6], $CODE_LENGTH_AT)) .. now6 .. high
    for i = 1, n do
      local key, low = KEYS[4 + i], char(floor(seen / 256), seen % 256)
      local id = sub(key, -$ID_SIZE)
      ids[i] = id
      records[2 * i - 1], records[2 * i] = key, head .. low .. ARGV[5 + i]
      members[2 * i - 1], members[2 * i] = '0', place .. low .. id
      seen = seen + 1
    end
    call('ZADD', queue, unpack(members))
    call('MSET', unpack(records))
    local all = n == 1 and ids[1] or table.concat(ids, '', 1, there and $CHUNK - used or n)
    local failed = attempt('SETRANGE', P .. 'o:' .. here, format('%d', used * $ID_SIZE), all)
    if type(failed) == 'table' then
      -- Undo the writes. This is cheaper than a type check in every call.
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
    if idle then
      -- As `wake_idle` does.
      local left = math.min(n, $MOST_WOKEN)
      for key = 4, 2, -2 do
        for _ = 1, $MOST_GONE_PASSED do
          if left <= 0 or not idle[key] then break end
          local top = call('ZPOPMAX', KEYS[key])
          if not top[1] then break end
          if tonumber(top[2]) < now then
            call('DEL', KEYS[key])
            break
          end
          if call('SPUBLISH', P .. 'p:' .. top[1], 'W') > 0 then left = left - 1 end
        end
      end
    end
    return ''
  end
end
