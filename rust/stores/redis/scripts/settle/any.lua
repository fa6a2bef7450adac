-- Any other case, with the library. `usual.lua` lists keys, arguments and answer.
local made
local function m()
  made = made or changes()
  return made
end
local LEASES, FINISHED, META = KEYS[1], KEYS[2], P .. 'm'
call('ZCARD', LEASES)
call('LLEN', FINISHED)
local n, heads, distinct = #KEYS - 2, ARGV[5], ARGV[6] ~= '0'
local raws = get_all({ spread(KEYS, 3) })

-- Decide about each outcome before the first write. If a running invocation with no keys besides its record ends, build its new
-- record here without unpacking the old one: a script pays for strings by the byte.
local codes, plain, claims, owned, counts, whole = {}, {}, {}, {}, {}, {}
local finished, ended = {}, 0
local ENDS, ENDED, middles = pack('$TIME_FORMAT', now + RETENTION), {}, {}
for kind = $BY_SUCCESS, $BY_FAILURE do ENDED[kind] = char($OUTCOME + kind + $SAME_RUNNER + $HAS_WHERE) .. now6 end
for i = 1, n do
  local raw, at = raws[i], $OUTCOME_HEAD * i - $BEFORE_OUTCOME_HEAD
  if not raw or sub(raw, $FENCE_AT, $FENCE_END) ~= sub(heads, at, at + $OUTCOME_FENCE_END) then
    codes[i] = '$SETTLED_STALE'
    -- A record that was damaged during its claim: set it aside now, because its lease is renewed and nobody else reads it.
    if raw then m().readable(sub(KEYS[i + 2], -$ID_SIZE), raw) end
  else
    local status, flags = byte(raw, 1, 2)
    local kind, apart = byte(heads, at + $OUTCOME_KIND, at + $OUTCOME_APART)
    local last, after = #raw >= $SHORTEST and body_end(raw), nil
    if last and #raw >= last + $EMPTY_END then
      local high, low = byte(raw, last + 1, last + 2)
      after = last + $PAST_NAME_LENGTH + high * 256 + low
      if #raw < after + $TAIL_LENGTHS_LAST then after = nil end
    end
    if not after or not claimed(status) then
      codes[i] = m().readable(sub(KEYS[i + 2], -$ID_SIZE), raw) and '$SETTLED_REPLAYED' or '$SETTLED_STALE'
    elseif status == $PENDING and (kind == $BY_SUCCESS or kind == $BY_RETRY) then
      return { '!', i, $PENDING, kind == $BY_SUCCESS and $SUCCESS or $RETRY }
    else
      codes[i] = '$SETTLED_DONE'
      local runner = sub(raw, last + $PAST_NAME_LENGTH, after - 1)
      if not owned[runner] then
        call('HLEN', P .. 'w:' .. runner)
        owned[runner], counts[runner] = {}, 0
      end
      if kind > $BY_FAILURE or flags % $REGISTRATION >= CONCURRENCY or flags >= TO_CANCEL then
        call('HLEN', META)
        whole[i] = m().readable(sub(KEYS[i + 2], -$ID_SIZE), raw)
        if whole[i] then m().check_types(whole[i]) else codes[i] = '$SETTLED_STALE' end
      end
      -- No flag is set: nothing is kept apart, no concurrency key, at most one process waits. Without a note and targets, the
      -- history is the rest of the record.
      local length = #raw - after - $TAIL_LENGTHS_LAST
      if
        distinct and status == $RUNNING and kind <= $BY_FAILURE and apart == 0 and flags % $REGISTRATION == 0 and flags < MORE
        and length < HISTORY_LIMIT and sub(raw, after, after + $QUIET_LAST) == Z8
      then
        local middle = middles[length]
        if not middle then
          middle = pack('$EMPTY_TAIL_FORMAT', 0, 0, 0, length + $END_ENTRY)
          middles[length] = middle
        end
        local id, value = sub(KEYS[i + 2], -$ID_SIZE), ARGV[6 + i]
        plain[i] = char($OUTCOME + kind, flags + RESULT) .. sub(raw, $FENCE_AT, last) .. middle .. sub(raw, after + $TAIL_LENGTHS) ..
          ENDED[kind] .. sub(heads, at + $OUTCOME_WHERE, at + $OUTCOME_WHERE_END) .. value
        local count = counts[runner] + 1
        counts[runner], owned[runner][count] = count, id
        ended = ended + 1
        claims[ended], finished[ended] = id, ENDS .. id .. sub(raw, $SEQ_AT, $SEQ_END)
        if byte(raw, $TAG_END) > 0 then notify(sub(raw, $TAG_AT, $TAG_END), id, $OUTCOME + kind, $TOLD_BY_BODY, value) end
      elseif codes[i] == '$SETTLED_DONE' and not whole[i] then
        whole[i] = m().readable(sub(KEYS[i + 2], -$ID_SIZE), raw)
        if not whole[i] then codes[i] = '$SETTLED_STALE' end
      end
    end
  end
end

-- [settle/one]
for runner, count in pairs(counts) do
  if count > 0 then call('HDEL', P .. 'w:' .. runner, spread(owned[runner])) end
end
if ended > 0 then call('RPUSH', FINISHED, spread(finished)) end
for i = 1, n do
  if plain[i] then
    call('SET', KEYS[i + 2], plain[i], 'PX', RETENTION)
  elseif codes[i] == '$SETTLED_DONE' then
    local id, at = sub(KEYS[i + 2], -$ID_SIZE), $OUTCOME_HEAD * i - $BEFORE_OUTCOME_HEAD
    local raw = changed[id] or raws[i]
    if sub(raw, $FENCE_AT, $FENCE_END) ~= sub(heads, at, at + $OUTCOME_FENCE_END) then
      codes[i] = '$SETTLED_STALE'
    elseif not claimed(byte(raw, 1)) then
      codes[i] = '$SETTLED_REPLAYED'
    else
      local where, kind, apart, due = unpack('$OUTCOME_REST_FORMAT', heads, at + $OUTCOME_WHERE)
      codes[i] = settle(id, not changed[id] and whole[i] or m().decode(raw), kind, where, due, apart, ARGV[6 + i])
    end
  end
end
if ended > 0 then call('ZREM', LEASES, spread(claims)) end
if made then made.end_leases() end
wake_idle(META)
send_notices()
return { table.concat(codes), work and 1 or 0 }
