#!lua flags=allow-oom
-- Read invocations, and subscribe to the end of those that have not finished.
--
-- KEYS: the records. ARGV: 5 tag of the process that subscribes, or ''.
-- Answer, for each: '' if there is no record; the status if it has not finished; else its record and its outcome, or '' if the
-- outcome is in the record. An unreadable record is answered as it is.
local tag, answer = ARGV[5], {}
for i, key in ipairs(KEYS) do
  local raw = get_one(key)
  if not raw then
    answer[i] = ''
  elseif #raw < $TAG_END then
    answer[i] = { raw, '' }
  elseif byte(raw, 1) >= $SUCCESS then
    local apart = math.floor(byte(raw, 2) / RESULT_APART) % 2 == 1
    answer[i] = { raw, apart and get_one(P .. 'e:' .. sub(key, -$ID_SIZE)) or '' }
  else
    answer[i] = byte(raw, 1)
    local known = sub(raw, $TAG_AT, $TAG_END)
    if tag ~= '' and known ~= tag then
      if known == Z8 then
        call('SETRANGE', key, '$TAG_BYTE', tag)
      else
        local id = sub(key, -$ID_SIZE)
        -- Bounded: further processes find the end by polling.
        if call('SCARD', P .. 'n:' .. id) < $MOST_TOLD then
          local flags = byte(raw, 2)
          if math.floor(flags / MORE) % 2 == 0 then call('SETRANGE', key, '$FLAGS_BYTE', char(flags + MORE)) end
          call('SADD', P .. 'n:' .. id, tag)
        end
      end
    end
  end
end
return answer
