-- Wake runners that wait for work, and tell processes of outcomes. A script calls `ring_bells` and `announce` at its end.
-- Bells that remain to be rung at the end, by queue.
local bells = {}
local function want_bell(queue, n)
  bells[queue] = (bells[queue] or 0) + (n or 1)
end

-- Wake up to 16 parked runner processes for each queue with new work. One that nobody hears is dead: try the next.
local function ring_bells(meta)
  -- Those who listen but were not rung, or not heard, notice by this number.
  if meta and next(bells) then call('HINCRBY', meta, 'w', '1') end
  for queue, n in pairs(bells) do
    n = math.min(n, $MOST_WOKEN)
    for _, key in ipairs({ P .. 'b:' .. queue, P .. 'b' }) do
      for _ = 1, $MOST_GONE_PASSED do
        if n <= 0 then break end
        local top = call('ZPOPMAX', key)
        if not top[1] then break end
        if tonumber(top[2]) < now then
          call('DEL', key)
          break
        end
        if call('SPUBLISH', P .. 'p:' .. top[1], 'W') > 0 then n = n - 1 end
      end
    end
  end
end

-- Outcomes to be told, by the tag of the process that waits.
local told = {}
local function tell_one(tag, id, status, kind, result)
  if tag == Z8 then return end
  local list = told[tag]
  if not list then
    list = { 'F' }
    told[tag] = list
  end
  if #result > tonumber(ARGV[4]) then kind, result = $TOLD_TO_ASK, '' end
  list[#list + 1] = pack('$TOLD_FORMAT', id, status, kind, #result, result)
end

local function announce()
  for tag, list in pairs(told) do call('SPUBLISH', P .. 'p:' .. tag, table.concat(list)) end
end
