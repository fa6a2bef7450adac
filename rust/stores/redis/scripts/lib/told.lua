  -- What belongs to the end of an invocation: its registration key becomes free, and who waits is told.

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
