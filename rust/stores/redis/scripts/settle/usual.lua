#!lua flags=allow-oom
-- Record outcomes, each on its own; wake who waits. Works when memory is full.
--
-- KEYS: 1 l, 2 f, then the record of each outcome.
-- Found inside: the runner's claims, the queue of what comes back, the concurrency key and who is parked under it; m.
-- ARGV: 5 what comes before each value, 26 bytes per outcome: fence, slot and start, kind (1 success, 2 failure, 3 retry,
-- 4 release, 5 cancelled), whether its value is kept apart, due time; 6 whether an invocation may occur twice (0), or none
-- does (1), and all are successes and failures kept in their records (2); then each value or note.
-- Answer: nothing if all is done; else a digit per outcome (0 done, 1 replayed, 2 stale, 3 done, and cancelled instead) and
-- whether others may claim something now; or, if one is refused by the state machine, '!', its index, its status and the
-- status asked for; then nothing was written.
if ARGV[6] == '2' then
  local call, attempt, byte, char, sub, pack = redis.call, redis.pcall, string.byte, string.char, string.sub, struct.pack
  local P, now, n, heads, owner, quiet = ARGV[1], tonumber(ARGV[2]), #KEYS - 2, ARGV[5], nil, nil
  if now == 0 then
    local t = call('TIME')
    now = t[1] * 1000 + math.floor(t[2] / 1000)
  end
  local raws = n == 1 and { attempt('GET', KEYS[3]) } or call('MGET', unpack(KEYS, 3))
  local now6, expires, most = pack('$TIME_FORMAT', now), pack('$TIME_FORMAT', now + ARGV[3]), tonumber(ARGV[4])
  -- Made with a place for one, because a table that grows costs as much as a command.
  local records, ids, finished, told, known, between = { false }, { false }, { false }, nil, nil, nil
  local whole = 0
  -- One that runs and ends, and has nothing beside its record, gets its new record without the old one being taken apart.
  for i = 1, n do
    local raw, at = raws[i], $OUTCOME_HEAD * i - $BEFORE_OUTCOME_HEAD
    if type(raw) ~= 'string' or #raw < $SHORTEST or sub(raw, $FENCE_AT, $FENCE_END) ~= sub(heads, at, at + $OUTCOME_FENCE_END) then break end
    local status, flags = byte(raw, 1, 2)
    local high, middle, low = byte(raw, $LENGTH_AT, $LENGTH_END)
    local last = $LENGTH_END + high * 65536 + middle * 256 + low
    if #raw < last + $EMPTY_END then break end
    -- All are of one runner: its name, and that there is neither a note nor ids waited for.
    if not owner then
      high, low = byte(raw, last + 1, last + $NAME_LENGTH_SIZE)
      owner = sub(raw, last + 1, last + $NAME_LENGTH_SIZE + high * 256 + low)
      quiet = owner .. '$QUIET'
    end
    local past = last + #quiet
    local length = #raw - past - $LENGTH_SIZE
    -- No flag is set: neither something kept apart, nor a concurrency key, nor more who wait, nor a cancellation. What
    -- follows is the history.
    if status ~= $RUNNING or flags % $REGISTRATION ~= 0 or flags >= $MORE or length >= $HISTORY_LIMIT or sub(raw, last + 1, past) ~= quiet then break end
    if length ~= known then
      known, between = length, '$NO_RUNNER_QUIET' .. pack('$LENGTH_FORMAT', length + $END_ENTRY)
    end
    local id, value, kind = sub(KEYS[i + 2], -$ID_SIZE), ARGV[6 + i], byte(heads, at + $OUTCOME_KIND)
    records[i] = char($OUTCOME + kind, flags + $RESULT) .. sub(raw, $FENCE_AT, last) .. between .. sub(raw, past + $PAST_LENGTH) ..
      char($END_ENTRY_KIND + kind) .. now6 .. sub(heads, at + $OUTCOME_WHERE, at + $OUTCOME_WHERE_END) .. value
    ids[i], finished[i] = id, expires .. id .. sub(raw, $SEQ_AT, $SEQ_END)
    if byte(raw, $TAG_END) > 0 then
      local tag, size = sub(raw, $TAG_AT, $TAG_END), #value
      told = told or {}
      local list = told[tag]
      if not list then
        list = { 'F' }
        told[tag] = list
      end
      if size > most then
        list[#list + 1] = id .. char($OUTCOME + kind) .. '\$TOLD_TO_ASK$NO_LENGTH'
      else
        list[#list + 1] = id .. char($OUTCOME + kind, $TOLD_BY_BODY) .. pack('$LENGTH_FORMAT', size) .. value
      end
    end
    whole = i
  end
  if whole == n then
    -- What fails is undone: that is cheaper for the others than to look beforehand.
    local owned = P .. 'w:' .. sub(owner, $PAST_NAME_LENGTH)
    call('HDEL', owned, unpack(ids))
    local failed = attempt('RPUSH', KEYS[2], unpack(finished))
    if type(failed) == 'number' then
      for i = 1, n do call('SET', KEYS[i + 2], records[i], 'PX', ARGV[3]) end
      failed = attempt('ZREM', KEYS[1], unpack(ids))
      if type(failed) == 'table' then
        for i = 1, n do call('SET', KEYS[i + 2], raws[i]) end
        call('LTRIM', KEYS[2], '0', -1 - n)
      end
    end
    if type(failed) == 'table' then
      for i = 1, n do call('HSET', owned, ids[i], sub(raws[i], $FENCE_AT, $FENCE_END)) end
      return failed
    end
    if not told then return '' end
    for tag, list in pairs(told) do call('SPUBLISH', P .. 'p:' .. tag, table.concat(list)) end
    return ''
  end
end
