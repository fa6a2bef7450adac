  -- What a body waits for goes first.

  -- Let it leave the queue, or the parking, before everything that no body of this depth waits for.
  local function raise(id, depth)
    local rank, r = math.min(depth + 1, $MOST_RANK), load(id)
    if not r or r.rank >= rank then return end
    fixed(r)
    if r.status == $BLOCKED then
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
