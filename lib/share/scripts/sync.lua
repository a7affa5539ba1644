-- SPDX-License-Identifier: MIT
-- With: common window breaker members
--
-- What a member has to report: outcomes are added to the fleet's windows, and the
-- fleet's breakers open where these say so. Answers with each breaker's state. Applied
-- once for each sequence number; a repeated batch only reads.
--
-- KEYS  meta, members, sequences, index, channel; then for each breaker: breaker, lock,
--       members who know it, members who saw failures
-- ARGV  member, milliseconds until it counts as gone, a candidate for the generation,
--       sequence, sharded (0, 1); then for each breaker a report (README.md)

local FIXED, EACH = 5, 4
local REPORT, REPORT_SIZE = '>BBBBBI4I4I8I4I4I8' .. string.rep('I4', 7), 93
local DELTA, DELTA_SIZE = '>BI4I4I4', 13
local WANT_OPEN, REGISTER = 1, 2
local MISMATCH, REFUSED, NEWER = 1, 2, 4
local WATCH_MS, WATCH_OLD_MS, WATCH_PAUSE_MS = 100, 200, 20
local REST_MS = 500

local seq, sharded = tonumber(ARGV[4]), ARGV[5] == '1'
local count = #ARGV - FIXED
local live, apply
local listed = {}

-- ---- the batch ------------------------------------------------------------------

-- Whether the batch is new. A number far ahead of the member's own is none of ours.
local function sequence()
    local last = tonumber(safely('HGET', SEQUENCES, member) or 0)
    if last and last >= seq and last <= seq + JUMP then
        return false
    end
    if redis.call('HSET', SEQUENCES, member, seq) == 1 then
        redis.call('PEXPIRE', SEQUENCES, DAY)
    end
    return true
end

-- ---- one breaker's report --------------------------------------------------------

local function report_read(raw)
    local flags, state, width, deltas, cause, cfg, version, epoch, rest, since, answered,
        slot_ms, keep, min_calls, failure, slow, consecutive, reporters, at =
        struct.unpack(REPORT, raw)
    return {
        want_open = flags % 2 >= WANT_OPEN, register = flags % 4 >= REGISTER,
        state = state, width = width, deltas = deltas, cause = cause, cfg = cfg,
        version = version, epoch = epoch, rest = rest, began = now - since,
        answered = answered,
        slot_ms = slot_ms, keep = keep, min_calls = min_calls, failure = failure,
        slow = slow, consecutive = consecutive, reporters = reporters, raw = raw,
        opening_at = at
    }
end

-- Seldom asked for.
local function opening_of(r)
    return opening_read(r.raw, r.opening_at)
end

-- The server lost what the member knows. Probes of a half-open round that nobody counts
-- any more may be under way: it comes back as open, with a short rest.
local function adopt(b, r)
    local o = opening_of(r)
    if r.state == HALF_OPEN then
        move(b, OPEN, RESEEDED, r.epoch + 1)
        b.due = now + math.floor(math.min(REST_MS, o.longest) * o.jitter / 1000000)
    elseif r.state == OPEN then
        move(b, OPEN, RESEEDED, r.epoch)
        b.due = now + math.min(r.rest, o.most)
    elseif r.state == CLOSED then
        move(b, CLOSED, RESEEDED, r.epoch)
        b.changed = math.max(r.began, 0)
    else
        -- Only the number: the state stays what it is here.
        b.epoch = r.epoch
        b.dirty = true
    end
end

-- Two histories met. The more protective state is never the closed one.
local function settle(b, r)
    local o = opening_of(r)
    local due = math.max(b.state == OPEN and b.due or 0,
        r.state == OPEN and now + math.min(r.rest, o.most) or 0)
    move(b, OPEN, SPLIT, math.max(b.epoch, r.epoch) + 1)
    b.due = due > 0 and due or now + math.min(REST_MS, o.longest)
end

-- The higher number is not the later word where one of them is of a history that was
-- lost: no breaker is closed by what is older than the trouble that opened it.
local function is_older_closing(b, r)
    if r.epoch > b.epoch then
        return r.state == CLOSED and b.state ~= CLOSED and r.began < b.changed
    end
    return b.state == CLOSED and b.cause == RESEEDED and b.changed < r.began and
        (r.state == OPEN or r.state == HALF_OPEN)
end

-- Brings what is stored and what the member has seen together. Second result: the
-- member's number cannot be right.
local function agree(b, r)
    if b and r.state ~= UNKNOWN and r.epoch > 0 and b.epoch > r.epoch + JUMP then
        corrupt = corrupt + 1
        b = nil
    end
    if not b then
        b = breaker_new(1, r.cfg, r.version, r.width, r.slot_ms)
        b.dirty, b.born = true, true
        if r.epoch > 0 and r.epoch < WHOLE - JUMP then
            adopt(b, r)
        end
        return b, false
    end
    if r.epoch > b.epoch + JUMP then
        return b, true
    end
    if is_older_closing(b, r) then
        settle(b, r)
    elseif r.epoch > b.epoch then
        adopt(b, r)
    elseif r.epoch == b.epoch and r.state ~= UNKNOWN and r.state ~= b.state then
        settle(b, r)
    elseif r.epoch == b.epoch and r.state == OPEN and b.due > now + r.rest then
        -- The member counts by a clock that does not go back. The server's may have.
        b.due, b.dirty = now + r.rest, true
    end
    return b, false
end

-- A member whose clock is wrong, by years as they are, would hold the fleet to its settings
-- long after it is gone: when it took them up is not known.
local function taken_up_at(version)
    return version * 1000 <= now + DAY and version or 0
end

-- Windows are merged among members that judge alike. The latest settings win, and begin
-- a window of their own.
local function same_settings(b, r)
    if b.cfg == r.cfg and b.width == r.width and b.slot_ms == r.slot_ms then
        return true
    end
    local theirs, held = taken_up_at(r.version), taken_up_at(b.version)
    if theirs < held or (theirs == held and r.cfg <= b.cfg) then
        return false
    end
    b.cfg, b.version, b.width, b.slot_ms = r.cfg, r.version, r.width, r.slot_ms
    b.dirty = true
    window_clear(b)
    return true
end

-- Adds the member's outcomes; returns how many of them were failures or slow.
local function add(b, r)
    local worse = 0
    window_turn(b)
    for i = 0, r.deltas - 1 do
        local age, ok, bad, slow =
            struct.unpack(DELTA, r.raw, REPORT_SIZE + 1 + i * DELTA_SIZE)
        if window_add(b, age, ok, bad, slow) then
            worse = worse + bad + slow
        end
    end
    b.dirty = b.dirty or r.deltas > 0
    return worse
end

-- Why it has to open, as far as is known. Members keep successes to themselves until
-- they are asked, so that calls can only be more: nothing is missed by asking nobody
-- while even the calls that are known, or the fewest that count, refute it.
local function breach(r, calls, bad, slow)
    local least = math.max(calls, r.min_calls)
    if r.consecutive > 0 and bad >= r.consecutive and calls == bad then
        return CONSECUTIVE
    end
    if r.failure > 0 and bad > 0 and bad * 1000000 >= r.failure * least then
        return FAILURE_RATE
    end
    if r.slow > 0 and slow > 0 and slow * 1000000 >= r.slow * least then
        return SLOW_RATE
    end
end

-- Whether enough members saw failures themselves, since it closed.
local function enough_reporters(b, r, key, worse)
    if r.reporters <= 1 then
        return true
    end
    if worse > 0 then
        safely('ZADD', key, now, member)
    end
    safely('ZREMRANGEBYSCORE', key, '-inf', math.max(now - r.width * r.slot_ms, b.changed))
    redis.call('ZREMRANGEBYSCORE', key, now + 1, '+inf')
    redis.call('PEXPIRE', key, r.keep)
    return redis.call('ZCARD', key) >= r.reporters
end

-- Asks all members for what they have counted. How many will answer: those who know the
-- breaker, of whom no more can be alive than there are members.
local function watch_begin(b, know)
    b.watch, b.answered = now, 0
    b.expected = math.max(math.min(safely('ZCOUNT', know, now, '+inf'), live), 1)
    b.dirty, b.asks = true, true
end

local function watch_end(b)
    b.answered, b.expected = 0, 0
    b.dirty = true
end

-- A watch ends with one verdict: when nine in ten have answered, or when it took too
-- long. Asking everybody costs; the next one waits a tenth of a millisecond for each
-- member asked. Returns when to look again.
local function judge(b, r, know, cause, calls)
    local age = now - b.watch
    if b.expected > 0 and (age >= WATCH_OLD_MS or age < 0) then
        watch_end(b)
    end
    if b.expected == 0 and cause then
        local pause = live > 1 and math.max(WATCH_PAUSE_MS, live / 10) or 0
        if age >= 0 and age < pause then
            return math.ceil(pause - age)
        end
        watch_begin(b, know)
        age = 0
    end
    if b.expected == 0 then
        return 0
    end
    if r.answered ~= b.watch then
        b.answered = b.answered + 1
        b.dirty = true
    end
    if b.answered * 10 < b.expected * 9 and age < WATCH_MS then
        return WATCH_MS - age
    end
    watch_end(b)
    b.asks = false
    if cause and (cause == CONSECUTIVE or calls >= r.min_calls) then
        open(b, cause, opening_of(r))
    end
    return 0
end

-- Outcomes are counted under a lock, too, but nothing comes of them before it is lifted.
local function closed(b, r, lock, know, failed)
    local worse = add(b, r)
    if lock.kind > 0 then
        return 0
    end
    if r.want_open and r.epoch == b.epoch then
        open(b, r.cause, opening_of(r))
        window_clear(b) -- nobody was asked for his part of it
        return 0
    end
    local calls, bad, slow = total(b)
    local enough = enough_reporters(b, r, failed, worse)
    return judge(b, r, know, enough and breach(r, calls, bad, slow) or nil, calls)
end

local function register(r, know, name)
    if safely('ZADD', know, now + r.keep, member) == 1 then
        redis.call('ZREMRANGEBYSCORE', know, '-inf', now)
        redis.call('PEXPIRE', know, 2 * r.keep)
    end
    listed[#listed + 1] = now + r.keep
    listed[#listed + 1] = name
end

-- Outcomes of another epoch are too late to count. Returns the view.
local function take(r, key, b, refused, lock, know, failed)
    local again = 0
    local mismatch = not same_settings(b, r)
    if b.state == OPEN then
        clamp(b, opening_of(r).most)
    end
    if apply and b.state == CLOSED and not mismatch and
        (r.epoch == b.epoch or r.state == UNKNOWN) then
        again = closed(b, r, lock, know, failed)
    end
    if r.register then
        register(r, know, name_of(META, key))
    end
    if b.asks or b.moved and not (b.born and b.state == CLOSED) then
        tell(name_of(META, key), b, lock)
    end
    return view(b, lock, (mismatch and MISMATCH or 0) + (refused and REFUSED or 0), again)
end

local function one(key, raw, raw_lock, know, failed, raw_report)
    local r = report_read(raw_report)
    local b, refused = agree(breaker_read(key, raw), r)
    local lock = lock_read(raw_lock)
    if b.newer then
        return view(b, lock, NEWER)
    end
    local seen = take(r, key, b, refused, lock, know, failed)
    if b.dirty or r.register then
        breaker_write(key, b, r.keep, r.register)
    end
    return seen
end

-- ---- all of it -------------------------------------------------------------------

local function stored()
    local wanted = {}
    for i = FIXED + 1, #KEYS, EACH do
        wanted[#wanted + 1] = KEYS[i]
        wanted[#wanted + 1] = KEYS[i + 1]
    end
    return redis.call('MGET', unpack(wanted))
end

-- The next reports are welcome after so many milliseconds: a fleet's syncs take a
-- quarter of the server at most (20 us each and 10 for each breaker; bench has 7).
local function pace()
    return math.ceil(live * (20 + 10 * count) / 250)
end

local gen, min_reader, tended = generation(META, ARGV[3])
if min_reader > 1 then
    return { 1, min_reader }
end
live = present()
tend(tended)
apply = sequence()

local reply = { 0, now, gen, 0, live, apply and 1 or 0, 0 }
local values = stored()
for i = 0, count - 1 do
    local at = FIXED + i * EACH
    reply[#reply + 1] = one(KEYS[at + 1], values[2 * i + 1], values[2 * i + 2],
        KEYS[at + 3], KEYS[at + 4], ARGV[FIXED + 1 + i])
end
if #listed > 0 then
    list(INDEX, listed)
end
publish(CHANNEL, gen, sharded)
reply[4], reply[7] = pace(), corrupt
return reply
