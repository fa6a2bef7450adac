#!lua flags=allow-oom
-- Look at invocations, and be told of the end of those that are not finished.
--
-- KEYS: the records. ARGV: 5 tag of the process that wants to be told, or ''.
-- Answer, for each: nothing if there is no record, the status if it is not finished, else its record, followed by its
-- outcome if that is kept apart; what cannot be read comes as it is.
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
        -- Bounded: beyond so many, the slow look of the others must do.
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
