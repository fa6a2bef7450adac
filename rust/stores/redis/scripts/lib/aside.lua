  -- Unreadable records are set aside as failed.

  -- Ids of the invocations that were set aside, each followed by what is wrong with its record.
  local aside, unblock_next = {}, nil

  -- Finish an invocation whose record cannot be read, so that it blocks nothing: it fails with a reason, and the bytes of its
  -- record replace its arguments. Frees the keys that are known. No failure in here stops the rest of the script.
  local function set_aside(id, raw, problem)
    local attempt, reason = redis.pcall, 'unreadable: ' .. problem
    call('LLEN', P .. 'f')
    local shaped, old = pcall(decode, raw)
    local known = shaped and pcall(with_body, old)
    local function name(text) return known and not string.find(text, '[^!-~]') and text or '' end
    local r = {
      status = $FAILED, flags = REASON, fence = Z8, tag = #raw >= $TAG_END and sub(raw, $TAG_AT, $TAG_END) or Z8, rank = 0,
      retries = shaped and old.retries or 0, recoveries = shaped and old.recoveries or 0,
      releases = shaped and old.releases or 0, due = now, arrived = #raw >= $ARRIVED_END and sub(raw, $ARRIVED_AT, $ARRIVED_END) or now6,
      seq = #raw >= $SEQ_END and sub(raw, $SEQ_AT, $SEQ_END) or '$NO_SEQ', runner = '', note = reason, waits = '',
      hist = char($FAILED + $HAS_NOTE) .. now6 .. pack('$TEXT_FORMAT', #reason, reason), result = reason,
    }
    local task, queue = name(old.task), name(old.queue)
    r.body = pack('$ASIDE_BODY_FORMAT', $NO_PRIORITY_SIZE, '$NO_PRIORITY', 0, #queue, queue, 0, 0, 0, 0, 0, 0, #task, task) ..
      sub(raw, 1, HISTORY_LIMIT)
    if math.floor((byte(raw, 2) or 0) / MORE) % 2 == 1 then r.flags = r.flags + MORE end
    call('RPUSH', P .. 'f', pack('$TIME_FORMAT', now + RETENTION) .. id .. r.seq)
    call('SET', P .. 'i:' .. id, encode(r), 'PX', RETENTION)
    attempt('PEXPIRE', P .. 'd:' .. id, RETENTION)
    attempt('ZREM', P .. 'l', id)
    if shaped and old.runner ~= '' then
      attempt('HDEL', P .. 'w:' .. old.runner, id)
      attempt('SREM', P .. 'c:' .. old.runner, id)
    end
    pcall(notify_waiting, r, id, reason)
    aside[#aside + 1] = id
    aside[#aside + 1] = problem
    if known and old.rkey ~= '' and attempt('GET', P .. 'r:' .. old.rkey) == id then call('DEL', P .. 'r:' .. old.rkey) end
    if known and old.ckey ~= '' and attempt('SREM', P .. 'k:' .. old.ckey, id) == 1 then
      old.flags = CONCURRENCY
      pcall(unblock_next, old)
    end
  end

  -- The record, unpacked; nil if it was unreadable and was set aside.
  local function readable(id, raw)
    local r, problem = examine(raw)
    if not r then set_aside(id, raw, problem) end
    return r
  end

  local function load(id)
    local raw = get_one(P .. 'i:' .. id)
    return raw and readable(id, raw), raw
  end
