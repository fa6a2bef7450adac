#!lua flags=allow-oom
-- Take due invocations for free slots. Works when memory is full: claims are how it empties.
--
-- KEYS: 1 l, 2 w:<runner>, then q, s and b of each queue asked for, or Q and b if none is.
-- Found inside: the records that leave the queue with what belongs to them; all queues, if none is asked for; m and f.
-- ARGV: 5 limit less one, 6 lease in milliseconds, 7 and 8 what a history notes of the claim (a claim: runner, ids it
-- waits for, length and kind of the first entry; after its time the rest, with the kind of a second entry if the claim
-- begins), 9 tag to park under if there is less than was asked for ('' does not park), 10 as many fences as the limit, and
-- a byte for the order of the queues (see `best`), 11
-- fences of requests whose answer was lost, then names of queues.
-- Answer: nothing, if nothing was found; id and record in one string, if it is only one; else a list, first nothing, or
-- now and the next due time, then ids and records in turns; or, if there was more to it, a list that begins with now,
-- next due time or '', ids and tasks of those dropped in turns, whether others may claim something now, number of claims made by the lost
-- requests, and ids of those set aside, each with what is wrong with it, in a list; then id, record, and arguments kept
-- apart of each claim.
local usual = #ARGV[11] == 0 and ARGV[5] ~= '-1'
if usual then
  local call, attempt, byte, char, sub, floor = redis.call, redis.pcall, string.byte, string.char, string.sub, math.floor
  local P, now, tag, format = ARGV[1], tonumber(ARGV[2]), ARGV[9], string.format
  if now == 0 then
    local t = call('TIME')
    now = t[1] * 1000 + floor(t[2] / 1000)
  end
  -- Usually one queue has something that is due, or none.
  local every, first, next_due, queue, members, bell = #ARGV == 11, 12, nil, nil, nil, KEYS[5]
  local names = ARGV
  if every then names, first, bell = call('SMEMBERS', KEYS[3]), 1, KEYS[4] end
  for i = first, #names do
    local ready, scheduled
    if every then
      ready, scheduled = P .. 'q:' .. names[i], P .. 's:' .. names[i]
    else
      ready, scheduled = KEYS[3 * i - 33], KEYS[3 * i - 32]
    end
    local due = call('ZRANGE', scheduled, '0', '0', 'WITHSCORES')[2]
    if due then
      due = tonumber(due)
      if due <= now then usual = false end
      if not next_due or due < next_due then next_due = due end
    end
    local found = call('ZRANGE', ready, '0', ARGV[5])
    if found[1] then
      if queue then usual = false end
      queue, members = ready, found
    end
    if not usual then break end
  end
  local count = members and #members or 0
  local parks = tag ~= '' and count <= tonumber(ARGV[5])
  -- To park in several places is left to the other way.
  if usual and not (parks and #ARGV > 12) then
    local answer, owned, leases, records
    if count > 0 then
      -- Made with places for one, because a table that grows costs as much as a command.
      answer, owned, leases, records = { '', false, false }, { false, false }, { false, false }, { false, false }
      local ids, keys = { false }, { false }
      for i = 1, count do
        local id = sub(members[i], -$ID_SIZE)
        ids[i], keys[i] = id, P .. 'i:' .. id
      end
      local raws = count == 1 and { attempt('GET', keys[1]) } or call('MGET', unpack(keys))
      local now6, fences = struct.pack('$TIME_FORMAT', now), ARGV[10]
      local tail, status = ARGV[7] .. now6 .. ARGV[8], '\$PENDING'
      if #ARGV[8] > #ARGV[7] - $CLAIM_TAIL then tail, status = tail .. now6, '\$RUNNING' end
      local ends = now + tonumber(ARGV[6])
      local high = floor(ends / 1000000)
      -- Text, because the server makes text of numbers slowly; in two parts for servers of 32 bits.
      ends = format('%d%06d', high, ends - high * 1000000)
      for i = 1, count do
        local raw = raws[i]
        -- Never touched since it arrived, arguments in the record, no concurrency key.
        if type(raw) ~= 'string' then
          usual = false
          break
        end
        local was, flags = byte(raw, 1, 2)
        local upper, middle, lower = byte(raw, $LENGTH_AT, $LENGTH_END)
        if was ~= $REGISTERED or #raw < $SHORTEST or flags % $MORE >= $CONCURRENCY or flags % $RESULT_APART == $ARGS_APART or #raw ~= $SHORTEST + upper * 65536 + middle * 256 + lower then
          usual = false
          break
        end
        local id, fence = ids[i], sub(fences, $FENCE_SIZE * i - $FENCE_LAST, $FENCE_SIZE * i)
        raw = status .. char(flags) .. fence .. sub(raw, $TAG_AT, -$BUT_EMPTY) .. tail
        records[2 * i - 1], records[2 * i] = keys[i], raw
        owned[2 * i - 1], owned[2 * i] = id, fence
        leases[2 * i - 1], leases[2 * i] = ends, id
        answer[2 * i], answer[2 * i + 1] = id, raw
      end
    end
    if usual then
      if parks then call('ZCARD', bell) end
      if count > 0 then
        -- Fewer than were claimed: one has a lease, or stands in the queue twice. The other way looks closely.
        usual = call('ZADD', KEYS[1], unpack(leases)) == count
      end
    end
    if usual then
      if count > 0 then
        local failed = attempt('MSET', unpack(records))
        if type(failed) == 'table' and failed.err then
          for i = 1, count do call('ZREM', KEYS[1], leases[2 * i]) end
          return failed
        end
        failed = attempt('HSET', KEYS[2], unpack(owned))
        if type(failed) == 'table' then
          for i = 1, count do
            records[2 * i] = raws[i]
            call('ZREM', KEYS[1], leases[2 * i])
          end
          call('MSET', unpack(records))
          return failed
        end
        -- By name, neither by rank nor from one to another: see `lib/begin.lua`.
        call('ZREM', queue, unpack(members))
      end
      if parks and call('ZADD', bell, now + $IDLE_MS, tag) == 1 then call('PEXPIRE', bell, '$IDLE_KEY_MS') end
      -- A few empty queues stay listed for a runner that waits: the next call would list them again.
      if every and count == 0 and (tag == '' or #names > $MOST_EMPTY_LISTED) then
        for _, name in ipairs(names) do
          if not next_due or not call('ZRANGE', P .. 's:' .. name, '0', '0')[1] then call('SREM', KEYS[3], name) end
        end
      end
      if next_due then
        if count == 0 then return { { now, next_due } } end
        answer[1] = { now, next_due }
      elseif count == 0 then
        return ''
      elseif count == 1 then
        return answer[2] .. answer[3]
      end
      return answer
    end
  end
end
