-- SPDX-License-Identifier: MIT
-- Breakers and locks as they are stored, and the message that tells the fleet of them.
-- README.md has the layouts.

-- A double holds every whole number below 2^53. No epoch gets 2^20 ahead of one that
-- was seen a moment ago.
local WHOLE, JUMP = 2 ^ 53, 2 ^ 20

local CLOSED, OPEN, HALF_OPEN, UNKNOWN = 0, 1, 2, 3
local FAILURE_RATE, SLOW_RATE, CONSECUTIVE = 1, 2, 3
local OPEN_ELAPSED, PROBES_OK, PROBES_FAILED = 4, 5, 6
local RESEEDED, SPLIT = 30, 31

-- Lines of the message to the fleet.
local changes = {}

-- ---- breakers --------------------------------------------------------------------

local BREAKER = '>BBBBI4I8I8I4HHHHI4I4I8I8I4I4I8I4I4I4I4I8I8I8'
local BREAKER_SIZE = 116

-- nil where nothing is stored, or nothing that can be trusted: one number that no answer
-- can carry would spoil the answer about all breakers of a batch. What a later keel has
-- written is read as far as its header, which never changes, and is not written.
local function breaker_read(key, raw)
    if not raw then
        if redis.call('EXISTS', key) == 1 then
            corrupt = corrupt + 1
        end
        return nil
    end
    local size = #raw
    if size >= 24 and string.byte(raw, 1) == 75 and string.byte(raw, 2) > 1 then
        local _, _, state, cause, _, epoch, due = struct.unpack('>BBBBI4I8I8', raw)
        if state <= HALF_OPEN and epoch >= 1 and epoch < WHOLE then
            return { state = state, cause = cause, epoch = epoch, due = due, newer = true,
                     changed = now, watch = 0, expected = 0 }
        end
    end
    local width = (size - BREAKER_SIZE) / SLOT_SIZE
    if width < 1 or width > WIDTH_MAX or width % 1 ~= 0 then
        corrupt = corrupt + 1
        return nil
    end
    local magic, fmt, state, cause, cfg, epoch, due, fence, ok, bad, slow, opens, version,
        slot_ms, changed, watch, answered, expected, waited, newest, new_ok, new_bad,
        new_slow, calls, failed, slowed = struct.unpack(BREAKER, raw)
    if magic ~= 75 or fmt ~= 1 or state > HALF_OPEN or epoch < 1 or slot_ms < 1 or
        math.max(epoch, due, changed, watch, waited, calls, failed, slowed) >= WHOLE then
        corrupt = corrupt + 1
        return nil
    end
    return {
        state = state, cause = cause, cfg = cfg, epoch = epoch, due = due, fence = fence,
        ok = ok, bad = bad, slow = slow, opens = opens, version = version,
        slot_ms = slot_ms, changed = math.min(changed, now), watch = watch,
        answered = answered, expected = expected, waited = waited, newest = newest,
        new_ok = new_ok, new_bad = new_bad, new_slow = new_slow, calls = calls,
        failed = failed, slowed = slowed, width = width, raw = raw,
        slots_at = BREAKER_SIZE + 1
    }
end

-- ---- storing it ------------------------------------------------------------------

-- What is the same but for the numbers in front is changed in its place, and keeps the
-- end it has; renewed, or written anew, it lives so long from now on.
local function breaker_write(key, b, keep_ms, renewed)
    local fixed = struct.pack(BREAKER, 75, 1, b.state, b.cause, b.cfg, b.epoch, b.due,
        b.fence, b.ok, b.bad, b.slow, b.opens, b.version, b.slot_ms, b.changed, b.watch,
        b.answered, b.expected, b.waited, b.newest, b.new_ok, b.new_bad, b.new_slow,
        b.calls, b.failed, b.slowed)
    if b.raw and not b.slots and not b.moved and not renewed then
        redis.call('SETRANGE', key, 0, fixed)
        return
    end
    redis.call('SET', key, fixed .. slots_pack(b), 'PX', keep_ms)
end

-- Fences go on from the clock, so that those of a breaker that was lost do not return.
local function breaker_new(epoch, cfg, version, width, slot_ms)
    local b = {
        state = CLOSED, cause = 0, cfg = cfg, epoch = epoch, due = 0,
        fence = now % 2147483648, ok = 0, bad = 0, slow = 0, opens = 0, version = version,
        slot_ms = slot_ms, changed = 0, watch = 0, answered = 0, expected = 0, waited = 0,
        width = width
    }
    window_clear(b)
    return b
end

local function move(b, state, cause, epoch)
    b.state, b.cause, b.epoch, b.changed = state, cause, epoch, now
    b.due, b.ok, b.bad, b.slow = 0, 0, 0, 0
    b.watch, b.answered, b.expected, b.waited = 0, 0, 0, 0
    b.dirty, b.moved = true, true
end

-- How long it opens, as a member's settings have it: 28 bytes of what it sent.
local function opening_read(raw, at)
    local first, longest, most, multiplier, jitter, stable, wish =
        struct.unpack('>I4I4I4I4I4I4I4', raw, at)
    return { first = first, longest = longest, most = most, multiplier = multiplier,
             jitter = jitter, stable = stable, wish = wish }
end

-- min(longest, first x multiplier^(opens - 1)) x jitter; a longer wish of the other
-- side's is met as far as `longest`. Opened once more soon after closing, longer.
local function open(b, cause, o)
    local forgiven = b.state == CLOSED and now - b.changed >= o.stable
    b.opens = math.min(forgiven and 1 or b.opens + 1, 65535)
    local length = o.first * (o.multiplier / 1000000) ^ (b.opens - 1)
    length = math.floor(math.min(length, o.longest) * (o.jitter / 1000000))
    length = math.max(length, math.min(o.wish, o.longest), 1)
    move(b, OPEN, cause, b.epoch + 1)
    b.due = now + math.min(length, o.most)
end

-- A clock that went back, or a stored instant in the far future, keeps nobody waiting
-- for longer than the longest open time.
local function clamp(b, most)
    if b.state == OPEN and b.due > now + most then
        b.due = now + most
        b.dirty = true
    end
end

-- What a breaker's key says after "b:", where that of `meta` ends in "meta".
local function name_of(meta, key)
    return string.sub(key, #meta - #'meta' + #'b:' + 1)
end

-- ---- locks -----------------------------------------------------------------------

local LOCK = '>BBBxI8I8I8HH'
local LOCK_SIZE = 32
local REASON_MOST, ACTOR_MOST = 256, 128
local UNLOCKED = { kind = 0, epoch = 0, till = 0, at = 0, reason = '', actor = '' }

-- Epoch 0: there never was one, or all memory of it is lost.
local function lock_read(raw)
    if not raw then
        return UNLOCKED
    end
    if #raw >= LOCK_SIZE then
        local magic, fmt, kind, epoch, till, at, reason, actor = struct.unpack(LOCK, raw)
        if magic == 76 and fmt == 1 and kind <= 4 and
            math.max(epoch, till, at) < WHOLE and reason <= REASON_MOST and
            actor <= ACTOR_MOST and #raw == LOCK_SIZE + reason + actor then
            if till > 0 and till <= now then
                kind = 0
            end
            return {
                kind = kind, epoch = epoch, till = till, at = at,
                reason = string.sub(raw, LOCK_SIZE + 1, LOCK_SIZE + reason),
                actor = string.sub(raw, LOCK_SIZE + 1 + reason)
            }
        end
    end
    corrupt = corrupt + 1
    return UNLOCKED
end

-- ---- telling ---------------------------------------------------------------------

local function left(instant)
    return math.min(math.max(instant - now, 0), U32 - 1)
end

local function remaining(b)
    return b.state == OPEN and left(b.due) or 0
end

local function lock_left(lock)
    return lock.kind > 0 and lock.till > 0 and math.max(left(lock.till), 1) or 0
end

-- What a member is told of a breaker. flags: README.md.
local function view(b, lock, flags, again)
    if not b then
        return struct.pack('>BBBBI8I4I4I8I4I8I4', UNKNOWN, lock.kind, flags, 0, 0, 0, 0,
            lock.epoch, lock_left(lock), 0, 0)
    end
    return struct.pack('>BBBBI8I4I4I8I4I8I4', b.state, lock.kind, flags, b.cause, b.epoch,
        remaining(b), math.min(now - b.changed, U32 - 1), lock.epoch, lock_left(lock),
        b.expected > 0 and b.watch or 0, again or 0)
end

local function tell(name, b, lock)
    changes[#changes + 1] = string.format('%s %.0f %d %.0f %d %d %.0f %.0f %.0f', name,
        b and b.epoch or 0, b and b.state or UNKNOWN, b and remaining(b) or 0,
        b and b.cause or 0, lock.kind, lock.epoch, lock_left(lock),
        b and b.expected > 0 and b.watch or 0)
end

-- One message for all that changed. SPUBLISH stays within a cluster's shard.
local function publish(channel, gen, sharded)
    if #changes > 0 then
        redis.call(sharded and 'SPUBLISH' or 'PUBLISH', channel,
            'v1 ' .. gen .. '\n' .. table.concat(changes, '\n'))
    end
end

-- ---- the list of breakers --------------------------------------------------------

-- A breaker is listed until the instant that is its score. A list with a lock in it that
-- has no end has none itself.
local function list(idx, pairs_of_score_and_name)
    safely('ZADD', idx, 'GT', unpack(pairs_of_score_and_name))
    if redis.call('ZCOUNT', idx, '+inf', '+inf') > 0 then
        redis.call('PERSIST', idx)
    else
        redis.call('PEXPIRE', idx, 30 * DAY)
    end
end
