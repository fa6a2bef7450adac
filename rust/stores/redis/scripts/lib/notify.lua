-- Wake idle runners, and notify waiting processes of outcomes. A script calls `wake_idle` and `send_notices` at its end.

-- How many runners each queue needs.
local wanted = {}
local function want_runners(queue, n)
  wanted[queue] = (wanted[queue] or 0) + (n or 1)
end

-- Wake up to $MOST_WOKEN idle runner processes for each queue with new work. If nobody receives the message, that process is
-- gone: try the next.
local function wake_idle(meta)
  -- Runners that are subscribed but were not woken, or lost the message, notice this number when they poll.
  if meta and next(wanted) then call('HINCRBY', meta, 'w', '1') end
  for queue, n in pairs(wanted) do
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

-- Outcomes to send, by the tag of the waiting process.
local notices = {}
local function notify(tag, id, status, kind, result)
  if tag == Z8 then return end
  local list = notices[tag]
  if not list then
    list = { 'F' }
    notices[tag] = list
  end
  if #result > tonumber(ARGV[4]) then kind, result = $TOLD_TO_ASK, '' end
  list[#list + 1] = pack('$TOLD_FORMAT', id, status, kind, #result, result)
end

local function send_notices()
  for tag, list in pairs(notices) do call('SPUBLISH', P .. 'p:' .. tag, table.concat(list)) end
end
