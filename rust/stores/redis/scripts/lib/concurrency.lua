  -- A claim ends, and its concurrency key may admit a blocked invocation.

  -- End the claim, and what the body waits for. `end_leases` ends the lease, after the record says that the claim ended.
  local leaving = {}
  local function end_claim(r, id)
    leaving[#leaving + 1] = id
    call('HDEL', P .. 'w:' .. r.runner, id)
    if has(r, TO_CANCEL) then call('SREM', P .. 'c:' .. r.runner, id) end
    if has(r, CONCURRENCY) then call('SREM', P .. 'k:' .. with_body(r).ckey, id) end
    r.runner, r.waits = '', ''
  end

  -- A script that ends claims calls this at its end.
  local function end_leases()
    if leaving[1] then call('ZREM', P .. 'l', spread(leaving)) end
  end

  -- `r` frees a place under its concurrency key, or does not take one: queue the best blocked invocation that would be admitted
  -- now. Tasks with other limits may share the key, so the limit of each invocation counts. Mirrors `admit` in `claim.rs` of
  -- the core. Looks at the first $MOST_LOOKED_AT. Answers the queue and the id, or nothing.
  function unblock_next(r)
    if not has(r, CONCURRENCY) then return end
    local blocked = P .. 'z:' .. with_body(r).ckey
    local members = call('ZRANGE', blocked, '0', '$LAST_BLOCKED_SEEN')
    if #members == 0 then return end
    local holders = call('SCARD', P .. 'k:' .. r.ckey)
    for _, member in ipairs(members) do
      if holders < unpack('$LIMIT_FORMAT', member, #member - $LIMIT_LAST) then
        local id = sub(member, -$ID_AND_LIMIT, -$BUT_LIMIT)
        local next = load(id)
        if next and next.status == $BLOCKED then
          enter(next, $REROUTED, 0, '')
          enqueue(next, id)
          save(id, next)
          call('ZREM', blocked, member)
          return next.queue, id
        end
        call('ZREM', blocked, member)
      end
    end
  end

  -- Check the types of all keys that a change of this invocation may write: see `lib/begin.lua`.
  local function check_types(r)
    local name = queue_name(r)
    call('ZCARD', P .. 'q:' .. name)
    call('ZCARD', P .. 's:' .. name)
    call('ZCARD', P .. 'b:' .. r.queue)
    call('ZCARD', P .. 'b')
    call('SCARD', P .. (is_alone(r) and 'A' or 'Q'))
    if r.ckey ~= '' then
      call('SCARD', P .. 'k:' .. r.ckey)
      call('ZCARD', P .. 'z:' .. r.ckey)
    end
    if r.rkey ~= '' then call('STRLEN', P .. 'r:' .. r.rkey) end
    if r.runner ~= '' then
      call('HLEN', P .. 'w:' .. r.runner)
      if has(r, TO_CANCEL) then call('SCARD', P .. 'c:' .. r.runner) end
    end
    return r
  end
