-- Any other case, with the library. Keys, arguments and answer are those that `usual.lua` names.
local made
local function m()
  made = made or moves()
  return made
end
call('ZCARD', KEYS[1])
call('LLEN', KEYS[2])
local META = P .. 'm'
local n, heads, distinct = #KEYS - 2, ARGV[5], ARGV[6] ~= '0'
local raws = get_all({ spread(KEYS, 3) })

-- What each comes to, before anything is written. One that runs and ends, and has nothing beside its record, gets its
-- new record here, without the old one being taken apart: strings are what a script pays for, by the byte.
local codes, plain, claims, owned, counts, whole = {}, {}, {}, {}, {}, {}
local finished, ended = {}, 0
local ENDS, ENDED, middles = pack('$TIME_FORMAT', now + RETENTION), {}, {}
for kind = $BY_SUCCESS, $BY_FAILURE do ENDED[kind] = char($OUTCOME + kind + $SAME_RUNNER + $HAS_WHERE) .. now6 end
for i = 1, n do
  local raw, at = raws[i], $OUTCOME_HEAD * i - $BEFORE_OUTCOME_HEAD
  if not raw or sub(raw, $FENCE_AT, $FENCE_END) ~= sub(heads, at, at + $OUTCOME_FENCE_END) then
    codes[i] = '$SETTLED_STALE'
    -- Damaged while the claim was held: nobody else would look at it, for its lease is renewed.
    if raw then m().known(sub(KEYS[i + 2], -$ID_SIZE), raw) end
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
      codes[i] = m().known(sub(KEYS[i + 2], -$ID_SIZE), raw) and '$SETTLED_REPLAYED' or '$SETTLED_STALE'
    elseif status == $PENDING and (kind == $BY_SUCCESS or kind == $BY_RETRY) then
      return { '!', i, $PENDING, kind == $BY_SUCCESS and $SUCCESS or $RETRY }
    else
      codes[i] = '$SETTLED_DONE'
      local runner = sub(raw, last + $PAST_NAME_LENGTH, after - 1)
      if not owned[runner] then
        call('HLEN', P .. 'w:' .. runner)
        owned[runner], counts[runner] = {}, 0
      end
      if kind > $BY_FAILURE or flags % $REGISTRATION >= CONCURRENCY or flags >= WISHED then
        call('HLEN', META)
        whole[i] = m().known(sub(KEYS[i + 2], -$ID_SIZE), raw)
        if whole[i] then m().expect_places(whole[i]) else codes[i] = '$SETTLED_STALE' end
      end
      -- No flag is set: neither something kept apart, nor a concurrency key, nor more who wait. A note, or ids waited
      -- for, are left to the other way; without them the history is the rest.
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
        if byte(raw, $TAG_END) > 0 then tell_one(sub(raw, $TAG_AT, $TAG_END), id, $OUTCOME + kind, $TOLD_BY_BODY, value) end
      elseif codes[i] == '$SETTLED_DONE' and not whole[i] then
        whole[i] = m().known(sub(KEYS[i + 2], -$ID_SIZE), raw)
        if not whole[i] then codes[i] = '$SETTLED_STALE' end
      end
    end
  end
end

-- Where the claim that `r` hands back begins in its history, if it did nothing else: `pending`, or `pending` and `running`.
local function claim_begins(r)
  local hist, named, began = r.hist, pack('$TEXT_FORMAT', #r.runner, r.runner), r.status == $RUNNING
  local start = #hist - #named - (began and $TWO_ENTRIES_LAST or $ENTRY_LAST)
  if start < 1 or byte(hist, start) ~= $CLAIM_ENTRY_KIND or sub(hist, start + $ENTRY_SIZE, start + $ENTRY_LAST + #named) ~= named then return end
  if r.status == $PENDING or (began and byte(hist, #hist - $ENTRY_LAST) == $BEGIN_ENTRY_KIND) then return start end
end

-- Two equal hand-backs in a row are one, counted: the history ends with one that begins at `start` and whose last entry is of
-- this length. A hand-back ends with a mark: 15, how many it stands for, how long it is. Equal are those with the same note.
local function fold_release(hist, start, length)
  local cycle, count, keep = sub(hist, start), 1, start - 1
  if start > $MARK_SIZE and byte(hist, start - $MARK_SIZE) == $REPEATED then
    local times, size = unpack('$MARK_FORMAT', hist, start - $MARK_LAST)
    local past = start - $MARK_SIZE
    local before, last = past - size, past - length
    local kind, note = byte(hist, #hist - length + 1), sub(hist, #hist - length + $PAST_ENTRY, -$BUT_WHERE)
    if
      before >= 1 and last > before and byte(hist, before) == $CLAIM_ENTRY_KIND and byte(hist, last) == kind
      and sub(hist, last + $ENTRY_SIZE, past - $BUT_WHERE) == note
    then
      count, keep = times + 1, before - 1
    end
  end
  return sub(hist, 1, keep) .. cycle .. pack('$WHOLE_MARK_FORMAT', $REPEATED, count, #cycle)
end

local work, changed = false, {}
local function settle(id, r, kind, where, due, apart, text)
  local code = '$SETTLED_DONE'
  if (kind == $BY_RETRY or kind == $BY_RELEASE) and m().has(r, WISHED) then
    code, kind, text = '$SETTLED_CANCELLED', $BY_CANCELLATION, '$CANCELLED_WHILE_RUNNING'
  end
  local start = kind == $BY_RELEASE and claim_begins(r)
  if kind == $BY_RELEASE then
    if r.status ~= $PENDING then m().enter_held(r, $KILLED, 0, '') end
  elseif (r.status == $PAUSED and kind ~= $BY_CANCELLATION) or (kind == $BY_FAILURE and r.status == $PENDING) then
    m().enter_held(r, $RUNNING, 0, '')
  end
  if kind <= $BY_FAILURE then
    m().enter_held(r, $OUTCOME + kind, $HAS_WHERE, where)
    m().let_go(r, id)
    r.flags = r.flags + RESULT
    m().finish(r, id, text, apart == 1)
  elseif kind == $BY_CANCELLATION then
    m().enter_held(r, $CANCELLED, $HAS_NOTE_AND_WHERE, pack('$TEXT_FORMAT', #text, text) .. where)
    m().let_go(r, id)
    r.note = text
    r.flags = r.flags + REASON
    m().finish(r, id, text, false)
  else
    local status, from = kind == $BY_RETRY and $RETRY or $REROUTED, #r.hist
    if text == '' then
      m().enter_held(r, status, $HAS_WHERE, where)
    else
      m().enter_held(r, status, $HAS_NOTE_AND_WHERE, pack('$TEXT_FORMAT', #text, text) .. where)
    end
    if start and #r.hist < HISTORY_LIMIT then r.hist = fold_release(r.hist, start, #r.hist - from) end
    m().let_go(r, id)
    r.note = text
    if kind == $BY_RETRY then
      r.retries = r.retries + 1
      r.due = math.max(due, now)
    else
      r.releases = r.releases + 1
      -- Handed back without delay, it keeps its place in line.
      if due > 0 then r.due = math.max(due, now) end
    end
    m().enqueue(r, id)
    m().save(id, r)
    work = true
  end
  if m().place_freed(r) then work = true end
  -- Another outcome of the same batch may be about one that was called back, or about the same.
  changed[id] = m().encode(r)
  return code
end

for runner, count in pairs(counts) do
  if count > 0 then call('HDEL', P .. 'w:' .. runner, spread(owned[runner])) end
end
if ended > 0 then call('RPUSH', KEYS[2], spread(finished)) end
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
if ended > 0 then call('ZREM', KEYS[1], spread(claims)) end
if made then made.part() end
ring_bells(META)
announce()
return { table.concat(codes), work and 1 or 0 }
