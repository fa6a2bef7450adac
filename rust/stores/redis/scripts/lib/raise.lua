  -- The targets of a waiting body run first.

  -- Raise the rank of an invocation above everything that no body of this depth waits for, in its queue or under its key.
  -- Mirrors `rank_for` in `queue.rs` of the core.
  local function raise(id, depth)
    local rank, r = math.min(depth + 1, $MOST_RANK), load(id)
    if not r or r.rank >= rank then return end
    with_body(r)
    if r.status == $BLOCKED then
      local blocked, old = P .. 'z:' .. r.ckey, blocked_place(r, id)
      r.rank = rank
      call('ZADD', blocked, '0', blocked_place(r, id))
      save(id, r)
      call('ZREM', blocked, old)
    elseif available(r.status) then
      local old, name = place(r, id), queue_name(r)
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
