  -- The end of an invocation.

  -- Free the registration key. Runs after the record was saved, so that a reader of the key finds the new status there.
  local function deregister(r, id)
    if has(r, REGISTRATION) then
      local key = P .. 'r:' .. with_body(r).rkey
      if call('GET', key) == id then call('DEL', key) end
    end
  end

  -- Notify every process that waits for the outcome.
  local function notify_waiting(r, id, result)
    local kind = has(r, RESULT) and $TOLD_BY_BODY or $TOLD_BY_ENGINE
    notify(r.tag, id, r.status, kind, result)
    if has(r, MORE) then
      for _, tag in ipairs(call('SMEMBERS', P .. 'n:' .. id)) do notify(tag, id, r.status, kind, result) end
      call('DEL', P .. 'n:' .. id)
    end
  end

  -- Save a finished record, which from now on expires with everything that belongs to it.
  local function finish(r, id, result, apart)
    with_body(r)
    if apart then
      r.flags, r.result = r.flags + RESULT_APART, ''
      call('SET', P .. 'e:' .. id, result, 'PX', RETENTION)
    else
      r.result = result
    end
    if has(r, ARGS_APART) then call('PEXPIRE', P .. 'd:' .. id, RETENTION) end
    call('RPUSH', P .. 'f', pack('$TIME_FORMAT', now + RETENTION) .. id .. r.seq)
    call('SET', P .. 'i:' .. id, encode(r), 'PX', RETENTION)
    notify_waiting(r, id, result)
  end

  -- Finish an invocation for a reason that the engine gives.
  local function finish_without_body(r, id, status, reason)
    enter(r, status, $HAS_NOTE, pack('$TEXT_FORMAT', #reason, reason))
    if has(r, REGISTRATION) and call('GET', P .. 'r:' .. with_body(r).rkey) == id then
      call('PEXPIRE', P .. 'r:' .. r.rkey, RETENTION)
    end
    r.note = reason
    r.flags = r.flags + REASON
    finish(r, id, reason, false)
    deregister(r, id)
  end
