  -- One record: unpacked, checked, packed, and its history.

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

  -- Unpacks the body of a record, which never changes, as far as scripts need it.
  local function with_body(r)
    if not r.code then
      r.code, r.depth, r.queue, r.ckey, r.limit, r.drop, r.rkey, r.args, r.parent, r.task =
        unpack('$BODY_FORMAT', r.body)
    end
    return r
  end

  -- The record, unpacked; or nil, and what is wrong with it.
  local function examine(raw)
    if raw == '' then return nil, 'it is empty, or no string' end
    local fine, r = pcall(decode, raw)
    if not fine then return nil, 'it is cut or torn: ' .. #raw .. ' bytes' end
    local status, held = r.status, r.runner ~= ''
    -- No stored record has a status that an invocation only passes through.
    if status < $REGISTERED or status > $CANCELLED or status == $PENDING_RECOVERY or status == $RUNNING_RECOVERY or status == $KILLED then
      return nil, 'its status is ' .. status
    end
    if not pcall(with_body, r) then return nil, 'its call cannot be unpacked' end
    if has(r, CONCURRENCY) and (r.ckey == '' or r.limit == 0) then return nil, 'its concurrency key has no name or limit' end
    if has(r, REGISTRATION) and r.rkey == '' then return nil, 'its registration key has no name' end
    if claimed(status) ~= held then return nil, 'its status is ' .. status .. (held and ', with' or ', without') .. ' a runner' end
    if status >= $SUCCESS and not has(r, RESULT) and not has(r, REASON) then
      return nil, 'its status is ' .. status .. ', without an outcome'
    end
    if status == $BLOCKED and not has(r, CONCURRENCY) then return nil, 'its status is $BLOCKED, without a concurrency key' end
    return r
  end

  -- Change the status, and record the change. An entry is a kind (the status plus flags for what follows), the time, and what
  -- the flags name: see `layout.rs`. A long history keeps only what `has_room` in `history.rs` of the core allows.
  local function enter(r, status, flags, more)
    r.status = status
    if #r.hist < HISTORY_LIMIT or status >= $RETRY or status == $PENDING_RECOVERY or status == $RUNNING_RECOVERY then
      r.hist = r.hist .. char(status + flags) .. now6 .. more
    end
  end

  -- `enter` by the owner of the claim. An earlier entry names this runner, unless the history was full at that time.
  local function enter_by_owner(r, status, flags, more)
    if #r.hist < HISTORY_LIMIT then
      enter(r, status, $SAME_RUNNER + flags, more)
    else
      enter(r, status, $NAMES_RUNNER + flags, pack('$TEXT_FORMAT', #r.runner, r.runner) .. more)
    end
  end
