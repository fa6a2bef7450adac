  -- The queues, of what is due and of what is not yet, and the places in them.

  -- Which of the two lines of its queue it stands in: those that run alone in their process have one of their own, which is
  -- a queue with a name that no queue can have.
  local ALONE = $ALONE
  local function is_alone(r) return r.releases >= ALONE end

  local function line(r)
    return (r.releases >= ALONE and '\$ALONE_MARK' or '') .. fixed(r).queue
  end

  -- Place in line: rank and priority descending, due time, arrival; sorts as bytes.
  local function place(r, id)
    fixed(r)
    local rank = r.rank <= $MOST_SHORT_RANK and char($NOT_WAITED_FOR - r.rank) or pack('$LONG_RANK_FORMAT', $LONG_RANK, $MOST_RANK - r.rank)
    return rank .. r.code .. pack('$TIME_FORMAT', r.due) .. r.seq .. id
  end

  -- Parked members carry the limit of their task, to be judged without their record.
  local function parked_place(r, id)
    return place(r, id) .. pack('$LIMIT_FORMAT', r.limit)
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
