#!lua flags=allow-oom
-- Claim due invocations for free slots. Works when memory is full, because claims free it.
--
-- KEYS: 1 l, 2 w:<runner>, then q, s and b of each queue asked for, or Q and b if no queue is named.
-- Made inside: the records that leave the queue with what belongs to them; all queues, if none is named; m and f.
-- ARGV: 5 limit minus one, 6 lease in milliseconds, 7 and 8 the end of a claimed record before and behind the time of its first
-- entry (7: runner, no note, no targets, length of the history, kind of the entry; 8: the rest, with the kind of a second entry
-- if the claim also begins), 9 tag under which the process is listed as idle if it gets less than it asked for ('': not listed),
-- 10 as many fences as the limit, then a byte for the order of several queues (`AS_NAMED` or `IN_TURN` in `layout.rs`), 11 fences
-- of requests whose answers were lost, then names of queues.
-- Answer: '' if nothing was found. Id and record in one string, if there is one claim. Else a list: first '', or now and the next
-- due time; then ids and records in turns. The general case answers a list that starts with a list: now, next due time or '',
-- ids and tasks of the dropped invocations in turns, whether this allows other claims (1 or 0), number of claims made by the
-- lost requests, and ids that were set aside, each followed by what is wrong with its record; then id, record, and arguments
-- kept apart of each claim.
local usual = #ARGV[11] == 0 and ARGV[5] ~= '-1'
if usual then
  local call, attempt, byte, char, sub, floor = redis.call, redis.pcall, string.byte, string.char, string.sub, math.floor
  local P, now, tag, format = ARGV[1], tonumber(ARGV[2]), ARGV[9], string.format
  if now == 0 then
    local t = call('TIME')
    now = t[1] * 1000 + floor(t[2] / 1000)
  end
  -- Usually at most one queue has due invocations.
  local every, first, next_due, queue, members, idle = #ARGV == 11, 12, nil, nil, nil, KEYS[5]
  local names = ARGV
  if every then names, first, idle = call('SMEMBERS', KEYS[3]), 1, KEYS[4] end
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
  local gets_idle = tag ~= '' and count <= tonumber(ARGV[5])
  -- `any.lua` lists the process as idle for several queues.
  if usual and not (gets_idle and #ARGV > 12) then
    local answer, owned, leases, records
    if count > 0 then
      -- Tables start with places for one claim: a table that grows costs as much as a command.
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
      -- Text, because the server formats numbers slowly. In two parts for 32-bit servers.
      ends = format('%d%06d', high, ends - high * 1000000)
      for i = 1, count do
        local raw = raws[i]
        -- The record must be as it arrived, with its arguments, and without a concurrency key.
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
      if gets_idle then call('ZCARD', idle) end
      if count > 0 then
        -- If this adds fewer leases than claims, an invocation has a lease already or is in the queue twice. `any.lua` handles that.
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
        -- Remove by name, not by rank or range: see `lib/begin.lua`.
        call('ZREM', queue, unpack(members))
      end
      if gets_idle and call('ZADD', idle, now + $IDLE_MS, tag) == 1 then call('PEXPIRE', idle, '$IDLE_KEY_MS') end
      -- Leave a few empty queues listed for an idle runner: the next call would list them again.
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
