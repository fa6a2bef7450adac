#!lua flags=allow-oom
-- Record outcomes, each on its own, and notify the waiting processes. Works when memory is full.
--
-- KEYS: 1 l, 2 f, then the record of each outcome.
-- Made inside: the claims of the runner; queues of invocations that run again; concurrency keys and what they block; m.
-- ARGV: 5 the heads of all outcomes (`OUTCOME_HEAD` in `layout.rs`: fence, slot and start time, kind, whether the value is kept
-- apart, due time); 6 what the batch is: an invocation may occur twice (0), none does (1), or none does and all outcomes are
-- successes and failures kept in their records (2); then each value or note.
-- Answer: '' if all is done. Else a digit per outcome (`SETTLED_DONE` in `layout.rs`), and whether this allows other claims (1
-- or 0). Or, if the state machine refuses an outcome: '!', its index, its status and the requested status; then nothing was
-- written.
if ARGV[6] == '2' then
  local call, attempt, byte, char, sub, pack = redis.call, redis.pcall, string.byte, string.char, string.sub, struct.pack
  local P, now, n, heads, owner, quiet = ARGV[1], tonumber(ARGV[2]), #KEYS - 2, ARGV[5], nil, nil
  if now == 0 then
    local t = call('TIME')
    now = t[1] * 1000 + math.floor(t[2] / 1000)
  end
  local raws = n == 1 and { attempt('GET', KEYS[3]) } or call('MGET', unpack(KEYS, 3))
  local now6, expires, most = pack('$TIME_FORMAT', now), pack('$TIME_FORMAT', now + ARGV[3]), tonumber(ARGV[4])
  -- Tables start with a place for one outcome: a table that grows costs as much as a command.
  local records, ids, finished, notices, known, between = { false }, { false }, { false }, nil, nil, nil
  local whole = 0
  -- A running invocation with no keys besides its record ends: build its new record without unpacking the old one.
  for i = 1, n do
    local raw, at = raws[i], $OUTCOME_HEAD * i - $BEFORE_OUTCOME_HEAD
    if type(raw) ~= 'string' or #raw < $SHORTEST or sub(raw, $FENCE_AT, $FENCE_END) ~= sub(heads, at, at + $OUTCOME_FENCE_END) then break end
    local status, flags = byte(raw, 1, 2)
    local high, middle, low = byte(raw, $LENGTH_AT, $LENGTH_END)
    local last = $LENGTH_END + high * 65536 + middle * 256 + low
    if #raw < last + $EMPTY_END then break end
    -- One runner owns all of them: its name, followed by no note and no targets.
    if not owner then
      high, low = byte(raw, last + 1, last + $NAME_LENGTH_SIZE)
      owner = sub(raw, last + 1, last + $NAME_LENGTH_SIZE + high * 256 + low)
      quiet = owner .. '$QUIET'
    end
    local past = last + #quiet
    local length = #raw - past - $LENGTH_SIZE
    -- No flag is set: nothing is kept apart, no concurrency key, at most one process waits, nobody cancels. The history follows.
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
      notices = notices or {}
      local list = notices[tag]
      if not list then
        list = { 'F' }
        notices[tag] = list
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
    -- Undo the writes on failure. This is cheaper than a type check in every call.
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
    if not notices then return '' end
    for tag, list in pairs(notices) do call('SPUBLISH', P .. 'p:' .. tag, table.concat(list)) end
    return ''
  end
end
