  -- One record: taken apart, checked, put together, and its history.

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
    if status == $BLOCKED and not has(r, CONCURRENCY) then return nil, 'its status is $BLOCKED, without a concurrency key' end
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
      enter(r, status, $NAMES_RUNNER + flags, pack('$TEXT_FORMAT', #r.runner, r.runner) .. more)
    end
  end
