-- Part of `settle`: record one outcome with the library.

-- Index in the history at which the claim begins that `r` hands back, if the claim entered only `pending`, or `pending` and
-- `running`; else nil.
local function claim_begins(r)
  local hist, named, began = r.hist, pack('$TEXT_FORMAT', #r.runner, r.runner), r.status == $RUNNING
  local start = #hist - #named - (began and $TWO_ENTRIES_LAST or $ENTRY_LAST)
  if start < 1 or byte(hist, start) ~= $CLAIM_ENTRY_KIND or sub(hist, start + $ENTRY_SIZE, start + $ENTRY_LAST + #named) ~= named then return end
  if r.status == $PENDING or (began and byte(hist, #hist - $ENTRY_LAST) == $BEGIN_ENTRY_KIND) then return start end
end

-- Count two equal hand-backs in a row as one entry. The last hand-back of the history begins at `start`, and its last entry has
-- this length. A mark follows each hand-back: $REPEATED, how many it stands for, its length. Hand-backs with the same note are
-- equal. Mirrors `fold_release` in `history.rs` of the core.
local function fold_release(hist, start, length)
  local cycle, count, keep = sub(hist, start), 1, start - 1
  if start > $MARK_SIZE and byte(hist, start - $MARK_SIZE) == $REPEATED then
    local times, size = unpack('$MARK_FORMAT', hist, start - $MARK_LAST)
    local past = start - $MARK_SIZE
    local before, last = past - size, past - length
    local kind, note = byte(hist, #hist - length + 1), sub(hist, #hist - length + $PAST_ENTRY, -$BUT_WHERE)
    if
      before >= 1 and last > before and byte(hist, before) == $CLAIM_ENTRY_KIND and byte(hist, last) == kind
      and sub(hist, last + $ENTRY_SIZE, past - $BUT_WHERE) == note
    then
      count, keep = times + 1, before - 1
    end
  end
  return sub(hist, 1, keep) .. cycle .. pack('$WHOLE_MARK_FORMAT', $REPEATED, count, #cycle)
end

-- The statuses that an outcome passes through mirror `Outcome::path`, and the cancellation `Settlement::honouring`, in
-- `settle.rs` of the core.
local work, changed = false, {}
local function settle(id, r, kind, where, due, apart, text)
  local code = '$SETTLED_DONE'
  if (kind == $BY_RETRY or kind == $BY_RELEASE) and m().has(r, TO_CANCEL) then
    code, kind, text = '$SETTLED_CANCELLED', $BY_CANCELLATION, '$CANCELLED_WHILE_RUNNING'
  end
  local start = kind == $BY_RELEASE and claim_begins(r)
  if kind == $BY_RELEASE then
    if r.status ~= $PENDING then m().enter_by_owner(r, $KILLED, 0, '') end
  elseif (r.status == $PAUSED and kind ~= $BY_CANCELLATION) or (kind == $BY_FAILURE and r.status == $PENDING) then
    m().enter_by_owner(r, $RUNNING, 0, '')
  end
  if kind <= $BY_FAILURE then
    m().enter_by_owner(r, $OUTCOME + kind, $HAS_WHERE, where)
    m().end_claim(r, id)
    r.flags = r.flags + RESULT
    m().finish(r, id, text, apart == 1)
  elseif kind == $BY_CANCELLATION then
    m().enter_by_owner(r, $CANCELLED, $HAS_NOTE_AND_WHERE, pack('$TEXT_FORMAT', #text, text) .. where)
    m().end_claim(r, id)
    r.note = text
    r.flags = r.flags + REASON
    m().finish(r, id, text, false)
  else
    local status, from = kind == $BY_RETRY and $RETRY or $REROUTED, #r.hist
    if text == '' then
      m().enter_by_owner(r, status, $HAS_WHERE, where)
    else
      m().enter_by_owner(r, status, $HAS_NOTE_AND_WHERE, pack('$TEXT_FORMAT', #text, text) .. where)
    end
    if start and #r.hist < HISTORY_LIMIT then r.hist = fold_release(r.hist, start, #r.hist - from) end
    m().end_claim(r, id)
    r.note = text
    if kind == $BY_RETRY then
      r.retries = r.retries + 1
      r.due = math.max(due, now)
    else
      r.releases = r.releases + 1
      -- Handed back without a delay, it keeps its place in the queue.
      if due > 0 then r.due = math.max(due, now) end
    end
    m().enqueue(r, id)
    m().save(id, r)
    work = true
  end
  if m().unblock_next(r) then work = true end
  -- A later outcome of this batch may concern the same invocation, or one that this outcome queued again.
  changed[id] = m().encode(r)
  return code
end

