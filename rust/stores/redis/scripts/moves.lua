-- The moves of which scripts are made: each takes a record apart, changes it, and leaves every set right.
--
-- In a function, so that scripts which mostly do without (claim, settle) make them only when they are needed; with locals
-- of its own, because each one taken from outside costs every script that does without.
local function moves()
  local call, pack, unpack, sub, char, byte = redis.call, struct.pack, struct.unpack, string.sub, string.char, string.byte
  local CONCURRENCY, ARGS_APART, RESULT_APART, REGISTRATION, RESULT, REASON, MORE, WISHED = $CONCURRENCY, $ARGS_APART, $RESULT_APART, $REGISTRATION, $RESULT, $REASON, $MORE, $WISHED
  local CHUNK, HISTORY_LIMIT, RECORD = $CHUNK, $HISTORY_LIMIT, '$RECORD_FORMAT'
  local function has(r, flag) return math.floor(r.flags / flag) % 2 == 1 end

  local function decode(raw)
    local r, at = {}, nil
    r.status, r.flags, r.fence, r.tag, r.rank, r.retries, r.recoveries, r.releases, r.due, r.arrived, r.seq, r.body,
      r.runner, r.note, r.waits, r.hist, at = unpack(RECORD, raw)
    r.result = sub(raw, at)
    return r
  end

  local function encode(r)
    return pack(RECORD, r.status, r.flags, r.fence, r.tag, r.rank, r.retries, r.recoveries, r.releases, r.due, r.arrived,
      r.seq, #r.body, r.body, #r.runner, r.runner, #r.note, r.note, #r.waits, r.waits, #r.hist, r.hist) .. r.result
  end

  local function save(id, r)
    call('SET', P .. 'i:' .. id, encode(r))
  end

  -- The part of a record that never changes, as far as scripts need it.
  local function fixed(r)
    if not r.code then
      r.code, r.depth, r.queue, r.ckey, r.limit, r.blocked, r.rkey, r.args, r.parent, r.task =
        unpack('$BODY_FORMAT', r.body)
    end
    return r
  end

  -- What a record says, taken apart; or nothing, and what is wrong with it in words.
  local function examine(raw)
    if raw == '' then return nil, 'it is empty, or no string' end
    local fine, r = pcall(decode, raw)
    if not fine then return nil, 'it is cut or torn: ' .. #raw .. ' bytes' end
    local status, held = r.status, r.runner ~= ''
    -- No record is stored with a status that is only passed through.
    if status < $REGISTERED or status > $CANCELLED or status == $PENDING_RECOVERY or status == $RUNNING_RECOVERY or status == $KILLED then
      return nil, 'its status is ' .. status
    end
    if not pcall(fixed, r) then return nil, 'its call cannot be taken apart' end
    if has(r, CONCURRENCY) and (r.ckey == '' or r.limit == 0) then return nil, 'its concurrency key has no name or limit' end
    if has(r, REGISTRATION) and r.rkey == '' then return nil, 'its registration key has no name' end
    if claimed(status) ~= held then return nil, 'its status is ' .. status .. (held and ', with' or ', without') .. ' a runner' end
    if status >= $SUCCESS and not has(r, RESULT) and not has(r, REASON) then
      return nil, 'its status is ' .. status .. ', without an outcome'
    end
    if status == $PARKED and not has(r, CONCURRENCY) then return nil, 'its status is $PARKED, without a concurrency key' end
    return r
  end

  -- Change the status and record that. An entry is status + 16 if the runner follows, + 32 a note, + 64 slot and start,
  -- + 128 if the runner is the last one named; then the time, then what follows.
  local function enter(r, status, flags, more)
    r.status = status
    if #r.hist < HISTORY_LIMIT or status >= $RETRY or status == $PENDING_RECOVERY or status == $RUNNING_RECOVERY then
      r.hist = r.hist .. char(status + flags) .. now6 .. more
    end
  end

  -- The same by the runner that holds it, which an earlier entry has named unless the history was full by then.
  local function enter_held(r, status, flags, more)
    if #r.hist < HISTORY_LIMIT then
      enter(r, status, $SAME_RUNNER + flags, more)
    else
      enter(r, status, $NAMES_RUNNER + flags, pack('>I2c0', #r.runner, r.runner) .. more)
    end
  end

  -- Which of the two lines of its queue it stands in: those that run alone in their process have one of their own, which is
  -- a queue with a name that no queue can have.
  local ALONE = $ALONE
  local function is_alone(r) return r.releases >= ALONE end

  local function line(r)
    return (r.releases >= ALONE and '\1' or '') .. fixed(r).queue
  end

  -- Place in line: rank and priority descending, due time, arrival; sorts as bytes.
  local function place(r, id)
    fixed(r)
    local rank = r.rank <= 253 and char(255 - r.rank) or pack('>BI4', 1, 4294967295 - r.rank)
    return rank .. r.code .. pack('>I6', r.due) .. r.seq .. id
  end

  -- Parked members carry the limit of their task, to be judged without their record.
  local function parked_place(r, id)
    return place(r, id) .. pack('>I4', r.limit)
  end

  local function enqueue(r, id)
    local member, name, alone = place(r, id), line(r), is_alone(r)
    if r.due <= now then
      call('ZADD', P .. 'q:' .. name, '0', member)
      if not alone then want_bell(name) end
    else
      local key = P .. 's:' .. name
      call('ZADD', key, r.due, member)
      -- Runners have to learn of a time that is earlier than the one they know.
      if not alone and call('ZRANGE', key, '0', '0')[1] == member then want_bell(name) end
    end
    call('SADD', P .. (alone and 'A' or 'Q'), name)
  end

  -- How many wait to run alone, due or not; a queue in which none is left is not listed any more. Comes after all writes, so
  -- one of a wrong type fails nothing: none wait in it, and it stays listed.
  local function tidy_alone()
    local count = 0
    for _, name in ipairs(call('SMEMBERS', P .. 'A')) do
      local due, later = redis.pcall('ZCARD', P .. 'q:' .. name), redis.pcall('ZCARD', P .. 's:' .. name)
      if due == 0 and later == 0 then call('SREM', P .. 'A', name) end
      count = count + (tonumber(due) or 0) + (tonumber(later) or 0)
    end
    return count
  end

  -- Take it out of its queue; true if it was there.
  local function withdraw(r, id)
    local member, name = place(r, id), line(r)
    return call('ZREM', P .. 'q:' .. name, member) == 1 or call('ZREM', P .. 's:' .. name, member) == 1
  end

  -- It is claimed, or ends: its registration key is free. After its record has been saved: who finds it there sees that.
  local function deregister(r, id)
    if has(r, REGISTRATION) then
      local key = P .. 'r:' .. fixed(r).rkey
      if call('GET', key) == id then call('DEL', key) end
    end
  end

  local function tell(r, id, result)
    local kind = has(r, RESULT) and $TOLD_BY_BODY or $TOLD_BY_ENGINE
    tell_one(r.tag, id, r.status, kind, result)
    if has(r, MORE) then
      for _, tag in ipairs(call('SMEMBERS', P .. 'n:' .. id)) do tell_one(tag, id, r.status, kind, result) end
      call('DEL', P .. 'n:' .. id)
    end
  end

  -- Ids of those that were set aside, each with what is wrong with it.
  local aside, place_freed = {}, nil

  -- End one whose record cannot be read, so that it stands in nobody's way: failed, with the reason, and with its bytes in the
  -- place of its arguments. What can be known of it is freed. Done by itself, whatever becomes of the rest of the script.
  local function set_aside(id, raw, problem)
    local attempt, reason = redis.pcall, 'unreadable: ' .. problem
    call('LLEN', P .. 'f')
    local shaped, old = pcall(decode, raw)
    local known = shaped and pcall(fixed, old)
    local function name(text) return known and not string.find(text, '[^!-~]') and text or '' end
    local r = {
      status = $FAILED, flags = REASON, fence = Z8, tag = #raw >= $TAG_END and sub(raw, $TAG_AT, $TAG_END) or Z8, rank = 0,
      retries = shaped and old.retries or 0, recoveries = shaped and old.recoveries or 0,
      releases = shaped and old.releases or 0, due = now, arrived = #raw >= $ARRIVED_END and sub(raw, $ARRIVED_AT, $ARRIVED_END) or now6,
      seq = #raw >= $SEQ_END and sub(raw, $SEQ_AT, $SEQ_END) or '\0\0\0\0\0', runner = '', note = reason, waits = '',
      hist = char($FAILED + $HAS_NOTE) .. now6 .. pack('>I2c0', #reason, reason), result = reason,
    }
    local task, queue = name(old.task), name(old.queue)
    r.body = pack('>Bc0I4I2c0I2I4BI2I2BI2c0', 2, '\128\254', 0, #queue, queue, 0, 0, 0, 0, 0, 0, #task, task) ..
      sub(raw, 1, HISTORY_LIMIT)
    if math.floor((byte(raw, 2) or 0) / MORE) % 2 == 1 then r.flags = r.flags + MORE end
    call('RPUSH', P .. 'f', pack('>I6', now + RETENTION) .. id .. r.seq)
    call('SET', P .. 'i:' .. id, encode(r), 'PX', RETENTION)
    attempt('PEXPIRE', P .. 'd:' .. id, RETENTION)
    attempt('ZREM', P .. 'l', id)
    if shaped and old.runner ~= '' then
      attempt('HDEL', P .. 'w:' .. old.runner, id)
      attempt('SREM', P .. 'c:' .. old.runner, id)
    end
    pcall(tell, r, id, reason)
    aside[#aside + 1] = id
    aside[#aside + 1] = problem
    if known and old.rkey ~= '' and attempt('GET', P .. 'r:' .. old.rkey) == id then call('DEL', P .. 'r:' .. old.rkey) end
    if known and old.ckey ~= '' and attempt('SREM', P .. 'k:' .. old.ckey, id) == 1 then
      old.flags = CONCURRENCY
      pcall(place_freed, old)
    end
  end

  -- A record, taken apart; nothing if it had to be set aside.
  local function known(id, raw)
    local r, problem = examine(raw)
    if not r then set_aside(id, raw, problem) end
    return r
  end

  local function load(id)
    local raw = get_one(P .. 'i:' .. id)
    return raw and known(id, raw), raw
  end

  -- Keep a finished record, with all that belongs to it, for its retention only.
  local function finish(r, id, result, apart)
    fixed(r)
    if apart then
      r.flags, r.result = r.flags + RESULT_APART, ''
      call('SET', P .. 'e:' .. id, result, 'PX', RETENTION)
    else
      r.result = result
    end
    if has(r, ARGS_APART) then call('PEXPIRE', P .. 'd:' .. id, RETENTION) end
    call('RPUSH', P .. 'f', pack('>I6', now + RETENTION) .. id .. r.seq)
    call('SET', P .. 'i:' .. id, encode(r), 'PX', RETENTION)
    tell(r, id, result)
  end

  -- End it by the engine's own decision.
  local function finish_unrun(r, id, status, reason)
    enter(r, status, $HAS_NOTE, pack('>I2c0', #reason, reason))
    if has(r, REGISTRATION) and call('GET', P .. 'r:' .. fixed(r).rkey) == id then
      call('PEXPIRE', P .. 'r:' .. r.rkey, RETENTION)
    end
    r.note = reason
    r.flags = r.flags + REASON
    finish(r, id, reason, false)
    deregister(r, id)
  end

  -- End the claim and the waiting. The lease ends last, when the record says so: see `part`.
  local parting = {}
  local function let_go(r, id)
    parting[#parting + 1] = id
    call('HDEL', P .. 'w:' .. r.runner, id)
    if has(r, WISHED) then call('SREM', P .. 'c:' .. r.runner, id) end
    if has(r, CONCURRENCY) then call('SREM', P .. 'k:' .. fixed(r).ckey, id) end
    r.runner, r.waits = '', ''
  end

  -- To be called at the end of a script that lets go of claims.
  local function part()
    if parting[1] then call('ZREM', P .. 'l', spread(parting)) end
  end

  -- Someone who had, or would have taken, a place under the key of `r` does not: call back the best of those that wait
  -- for one and would be admitted now. Looks at the first 500; tasks with other limits may share the key.
  function place_freed(r)
    if not has(r, CONCURRENCY) then return end
    local parked = P .. 'z:' .. fixed(r).ckey
    local members = call('ZRANGE', parked, '0', '$MOST_PARKED_SEEN')
    if #members == 0 then return end
    local holders = call('SCARD', P .. 'k:' .. r.ckey)
    for _, member in ipairs(members) do
      if holders < unpack('>I4', member, #member - 3) then
        local id = sub(member, -20, -5)
        local next = load(id)
        if next and next.status == $PARKED then
          enter(next, $REROUTED, 0, '')
          enqueue(next, id)
          save(id, next)
          call('ZREM', parked, member)
          return next.queue, id
        end
        call('ZREM', parked, member)
      end
    end
  end

  -- Everything by which this one may have to be moved has the right type; see `expect`.
  local function expect_places(r)
    local name = line(r)
    call('ZCARD', P .. 'q:' .. name)
    call('ZCARD', P .. 's:' .. name)
    call('ZCARD', P .. 'b:' .. r.queue)
    call('ZCARD', P .. 'b')
    call('SCARD', P .. (is_alone(r) and 'A' or 'Q'))
    if r.ckey ~= '' then
      call('SCARD', P .. 'k:' .. r.ckey)
      call('ZCARD', P .. 'z:' .. r.ckey)
    end
    if r.rkey ~= '' then call('STRLEN', P .. 'r:' .. r.rkey) end
    if r.runner ~= '' then
      call('HLEN', P .. 'w:' .. r.runner)
      if has(r, WISHED) then call('SCARD', P .. 'c:' .. r.runner) end
    end
    return r
  end

  -- Forget where it stood in the order of arrival, if it still stands there. `recount` must follow.
  local touched = {}
  local function forget_order(seq, id)
    local chunk, at = sub(seq, 1, 4), byte(seq, 5) * 16
    local key = P .. 'o:' .. chunk
    if call('GETRANGE', key, at, at + 15) == id then call('SETRANGE', key, at, Z16) end
    touched[chunk] = true
  end

  -- How much is left of the chunks in which something was forgotten, from what they hold; nothing is left of them.
  local function recount()
    for chunk in pairs(touched) do
      local key, left = P .. 'o:' .. chunk, CHUNK
      local ids = call('GET', key) or ''
      for i = 1, #ids, 16 do
        if sub(ids, i, i + 15) == Z16 then left = left - 1 end
      end
      if left == 0 or ids == '' then
        call('DEL', key)
        call('HDEL', P .. 'o', chunk)
      else
        call('HSET', P .. 'o', chunk, left)
      end
    end
  end

  -- The chunk in which the next call would be placed takes no more, if it is this one, or if nothing of it is left: the
  -- numbers of arrival go on in the next one.
  local function close_order(only)
    local seen = tonumber(call('HGET', P .. 'm', 's') or 0)
    local chunk, free = sub(pack('>I5', seen), 1, 4), CHUNK - seen % CHUNK
    local left = tonumber(call('HGET', P .. 'o', chunk) or 0)
    if free == CHUNK or left == 0 or (only or chunk) ~= chunk or (not only and left > free) then return end
    call('HSET', P .. 'm', 's', string.format('%.0f', seen + free))
    if left - free <= 0 then
      call('DEL', P .. 'o:' .. chunk)
      call('HDEL', P .. 'o', chunk)
    else
      -- What is not there counts as left.
      call('SETRANGE', P .. 'o:' .. chunk, CHUNK * 16 - 16, Z16)
      call('HSET', P .. 'o', chunk, left - free)
    end
  end

  -- Let it leave the queue, or the parking, before everything that no body of this depth waits for.
  local function raise(id, depth)
    local rank, r = math.min(depth + 1, 4294967295), load(id)
    if not r or r.rank >= rank then return end
    fixed(r)
    if r.status == $PARKED then
      local parked, old = P .. 'z:' .. r.ckey, parked_place(r, id)
      r.rank = rank
      call('ZADD', parked, '0', parked_place(r, id))
      save(id, r)
      call('ZREM', parked, old)
    elseif available(r.status) then
      local old, name = place(r, id), line(r)
      local list = call('ZSCORE', P .. 'q:' .. name, old) and 'q:' or call('ZSCORE', P .. 's:' .. name, old) and 's:'
      r.rank = rank
      if list then enqueue(r, id) end
      save(id, r)
      if list then call('ZREM', P .. list .. name, old) end
    else
      r.rank = rank
      save(id, r)
    end
  end
  return {
    load = load,
    decode = decode,
    examine = examine,
    known = known,
    set_aside = set_aside,
    aside = aside,
    encode = encode,
    save = save,
    fixed = fixed,
    has = has,
    enter = enter,
    enter_held = enter_held,
    is_alone = is_alone,
    ALONE = ALONE,
    place = place,
    parked_place = parked_place,
    enqueue = enqueue,
    withdraw = withdraw,
    tidy_alone = tidy_alone,
    deregister = deregister,
    finish = finish,
    finish_unrun = finish_unrun,
    let_go = let_go,
    part = part,
    place_freed = place_freed,
    expect_places = expect_places,
    forget_order = forget_order,
    recount = recount,
    close_order = close_order,
    raise = raise,
  }
end
