  -- An invocation ends.

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
    call('RPUSH', P .. 'f', pack('$TIME_FORMAT', now + RETENTION) .. id .. r.seq)
    call('SET', P .. 'i:' .. id, encode(r), 'PX', RETENTION)
    tell(r, id, result)
  end

  -- End it by the engine's own decision.
  local function finish_unrun(r, id, status, reason)
    enter(r, status, $HAS_NOTE, pack('$TEXT_FORMAT', #reason, reason))
    if has(r, REGISTRATION) and call('GET', P .. 'r:' .. fixed(r).rkey) == id then
      call('PEXPIRE', P .. 'r:' .. r.rkey, RETENTION)
    end
    r.note = reason
    r.flags = r.flags + REASON
    finish(r, id, reason, false)
    deregister(r, id)
  end
