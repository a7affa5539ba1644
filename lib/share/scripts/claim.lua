-- SPDX-License-Identifier: MIT
-- With: common window breaker
--
-- Asks for places of a half-open round: leases, numbered so that a late result of a lost
-- one is known for what it is. At most `permits` are out or used up in one epoch. The
-- first who asks once the open time is over begins the round.
--
-- KEYS  meta, channel, breaker, lock, leases
-- ARGV  member, sharded (0, 1), claim (README.md)

local META, CHANNEL, BREAKER_KEY, LOCK_KEY, LEASES = unpack(KEYS)
local NAME = name_of(META, BREAKER_KEY)
local GRANTED, LOST, STALE, EARLY, FULL, NOT_OPEN, LOCKED = 0, 1, 2, 3, 4, 5, 6

local member, sharded = ARGV[1], ARGV[2] == '1'
local seen, permits, want, lease_ms, most, keep = struct.unpack('>I8HHI4I4I4', ARGV[3])

-- Leases that have run out are free again. One that ends later than any can was given
-- before the clock went back: it gets the usual time from now on.
local function leases_out()
    safely('ZREMRANGEBYSCORE', LEASES, '-inf', now)
    local far = redis.call('ZRANGEBYSCORE', LEASES, now + 4 * lease_ms, '+inf', 'LIMIT', 0,
        256)
    for _, lease in ipairs(far) do
        redis.call('ZADD', LEASES, now + lease_ms, lease)
    end
    return redis.call('ZCARD', LEASES)
end

local function begin_round(b, lock)
    move(b, HALF_OPEN, OPEN_ELAPSED, b.epoch + 1)
    redis.call('DEL', LEASES)
    tell(NAME, b, lock)
end

-- Places that bad and good probes have used up stay taken. Where a member with other
-- settings began the round they may be more than there are, and none is out to decide it:
-- then it begins anew.
local function grant(b, lock)
    local out = leases_out()
    if out == 0 and b.ok + b.bad >= permits then
        begin_round(b, lock)
    end
    local free = permits - out - b.ok - b.bad
    local fences = {}
    for i = 1, math.min(want, free) do
        b.fence = (b.fence + 1) % U32
        redis.call('ZADD', LEASES, now + lease_ms, member .. ':' .. b.fence)
        fences[i] = b.fence
    end
    if #fences > 0 then
        redis.call('PEXPIRE', LEASES, 2 * lease_ms)
    else
        b.waited = now
    end
    b.dirty = true
    return fences
end

-- Why there can be no places, or nil.
local function refusal(b, lock)
    if not b or b.newer then
        return LOST
    elseif lock.kind > 0 then
        return LOCKED
    elseif b.epoch ~= seen then
        return STALE
    elseif b.state == CLOSED then
        return NOT_OPEN
    elseif b.state == OPEN and now < b.due then
        return EARLY
    end
end

local values = redis.call('MGET', BREAKER_KEY, LOCK_KEY)
local b, lock = breaker_read(BREAKER_KEY, values[1]), lock_read(values[2])
if b and not b.newer then
    clamp(b, most)
end
local code, fences = refusal(b, lock), {}
if not code then
    if b.state == OPEN then
        begin_round(b, lock)
    end
    fences = grant(b, lock)
    code = #fences > 0 and GRANTED or FULL
end
if b and b.dirty then
    breaker_write(BREAKER_KEY, b, keep)
end
publish(CHANNEL, generation(META), sharded)
return { code, view(b, lock, 0), lease_ms, unpack(fences) }
