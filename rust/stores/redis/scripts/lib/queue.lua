  -- Queues of due and of scheduled invocations, and the places in them. Mirrors `queue.rs` of the core.

  -- Whether the invocation runs alone in its process. Such invocations wait in a queue of their own, whose name starts with a
  -- byte that no other name has.
  local ALONE = $ALONE
  local function is_alone(r) return r.releases >= ALONE end

  local function queue_name(r)
    return (r.releases >= ALONE and '\$ALONE_MARK' or '') .. with_body(r).queue
  end

  -- Place in a queue; sorts as bytes. Rank and priority descend, then due time and number of arrival ascend, as in `Place` in
  -- `queue.rs` of the core.
  local function place(r, id)
    with_body(r)
    local rank = r.rank <= $MOST_SHORT_RANK and char($NOT_WAITED_FOR - r.rank) or pack('$LONG_RANK_FORMAT', $LONG_RANK, $MOST_RANK - r.rank)
    return rank .. r.code .. pack('$TIME_FORMAT', r.due) .. r.seq .. id
  end

  -- Place among the invocations that a concurrency key blocks. It ends with the limit of the task, so that a script can judge
  -- the invocation without its record.
  local function blocked_place(r, id)
    return place(r, id) .. pack('$LIMIT_FORMAT', r.limit)
  end

  local function enqueue(r, id)
    local member, name, alone = place(r, id), queue_name(r), is_alone(r)
    if r.due <= now then
      call('ZADD', P .. 'q:' .. name, '0', member)
      if not alone then want_runners(name) end
    else
      local key = P .. 's:' .. name
      call('ZADD', key, r.due, member)
      -- Runners must learn of a time that is earlier than the next due time they know.
      if not alone and call('ZRANGE', key, '0', '0')[1] == member then want_runners(name) end
    end
    call('SADD', P .. (alone and 'A' or 'Q'), name)
  end

  -- Count the invocations that wait to run alone, due or not, and remove empty queues from the list of such queues. Runs after
  -- all writes, so a key of a wrong type must not fail it: its queue counts as empty and stays listed.
  local function count_alone()
    local count = 0
    for _, name in ipairs(call('SMEMBERS', P .. 'A')) do
      local due, later = redis.pcall('ZCARD', P .. 'q:' .. name), redis.pcall('ZCARD', P .. 's:' .. name)
      if due == 0 and later == 0 then call('SREM', P .. 'A', name) end
      count = count + (tonumber(due) or 0) + (tonumber(later) or 0)
    end
    return count
  end

  -- Remove the invocation from its queue; true if it was there.
  local function leave_queue(r, id)
    local member, name = place(r, id), queue_name(r)
    return call('ZREM', P .. 'q:' .. name, member) == 1 or call('ZREM', P .. 's:' .. name, member) == 1
  end
