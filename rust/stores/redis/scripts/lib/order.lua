  -- The order of arrival, in chunks. Lists and counts read it.

  -- Remove an invocation from the order of arrival, if it is still there. The script must call `recount` afterwards.
  local touched = {}
  local function forget_order(seq, id)
    local chunk, at = sub(seq, 1, $CHUNK_NAME_END), byte(seq, $PLACE_AT) * $ID_SIZE
    local key = P .. 'o:' .. chunk
    if call('GETRANGE', key, at, at + $ID_LAST) == id then call('SETRANGE', key, at, Z16) end
    touched[chunk] = true
  end

  -- Count what is left in each changed chunk, and delete the empty ones.
  local function recount()
    for chunk in pairs(touched) do
      local key, left = P .. 'o:' .. chunk, CHUNK
      local ids = call('GET', key) or ''
      for i = 1, #ids, $ID_SIZE do
        if sub(ids, i, i + $ID_LAST) == Z16 then left = left - 1 end
      end
      if left == 0 or ids == '' then
        call('DEL', key)
        call('HDEL', P .. 'o', chunk)
      else
        call('HSET', P .. 'o', chunk, left)
      end
    end
  end

  -- Close the chunk that the next call would enter, if it is `only`, or if everything in it was removed: numbers of arrival
  -- continue in the next chunk.
  local function close_order(only)
    local seen = tonumber(call('HGET', P .. 'm', 's') or 0)
    local chunk, free = sub(pack('$SEQ_FORMAT', seen), 1, $CHUNK_NAME_END), CHUNK - seen % CHUNK
    local left = tonumber(call('HGET', P .. 'o', chunk) or 0)
    if free == CHUNK or left == 0 or (only or chunk) ~= chunk or (not only and left > free) then return end
    call('HSET', P .. 'm', 's', string.format('%.0f', seen + free))
    if left - free <= 0 then
      call('DEL', P .. 'o:' .. chunk)
      call('HDEL', P .. 'o', chunk)
    else
      -- Places beyond the end of the string count as left, so make the string full.
      call('SETRANGE', P .. 'o:' .. chunk, CHUNK * $ID_SIZE - $ID_SIZE, Z16)
      call('HSET', P .. 'o', chunk, left - free)
    end
  end
