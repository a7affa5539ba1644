-- SPDX-License-Identifier: MIT
-- With: common window breaker
--
-- What became of a leased place of a half-open round: a good or a bad probe, one that
-- was not used, or one that needs more time. Counts only in the epoch it was leased in;
-- enough good ones close the breaker, one bad one too many opens it again.
--
-- KEYS  meta, channel, breaker, lock, leases
-- ARGV  member, sharded (0, 1), result (README.md)

local META, CHANNEL, BREAKER_KEY, LOCK_KEY, LEASES = unpack(KEYS)
local COUNTED, IGNORED, EXPIRED, RETURNED, RENEWED = 0, 1, 2, 3, 4
local GOOD, BAD, UNUSED, RENEW = 0, 1, 2, 3
local SLOW, LATE = 1, 2

local member, sharded = ARGV[1], ARGV[2] == '1'
local epoch, fence, what, flags, permits, allowed, allowed_slow, lease_ms, keep, at =
    struct.unpack('>I8I4BBHHHI4I4', ARGV[3])
local opening = opening_read(ARGV[3], at)
local lease = member .. ':' .. fence

-- Whether the lease was still good. It ends with this, unless it is to be renewed.
local function lease_end()
    local ends = tonumber(safely('ZSCORE', LEASES, lease) or nil)
    local good = ends ~= nil and ends > now
    if good and what == RENEW then
        redis.call('ZADD', LEASES, now + lease_ms, lease)
        redis.call('PEXPIRE', LEASES, 2 * lease_ms)
    elseif ends then
        redis.call('ZREM', LEASES, lease)
    end
    return good
end

local function count(b)
    b.ok = b.ok + (what == GOOD and 1 or 0)
    b.bad = b.bad + (what == BAD and 1 or 0)
    b.slow = b.slow + (flags % 2 == SLOW and 1 or 0)
    b.dirty = true
end

-- As soon as the rest of the round cannot change it; or, where the caller wants that,
-- at its end.
local function verdict(b)
    local to_come = math.max(permits - b.ok - b.bad, 0)
    if flags % 4 >= LATE and to_come > 0 then
        return
    end
    if b.bad > allowed or b.slow > allowed_slow then
        open(b, PROBES_FAILED, opening)
    elseif b.ok >= math.max(permits - allowed, 1) and b.slow + to_come <= allowed_slow then
        move(b, CLOSED, PROBES_OK, b.epoch + 1)
        window_clear(b)
    end
end

-- A good probe that took longer than its lease proves nothing. A bad one does: the
-- breaker opens again, which ends the epoch, so this happens once in each.
local function finish(b)
    if what == RENEW or what == UNUSED then
        return lease_end() and (what == RENEW and RENEWED or RETURNED) or EXPIRED
    end
    if lease_end() then
        count(b)
        verdict(b)
        return COUNTED
    end
    if what == BAD then
        open(b, PROBES_FAILED, opening)
    end
    return EXPIRED
end

local values = redis.call('MGET', BREAKER_KEY, LOCK_KEY)
local b, lock = breaker_read(BREAKER_KEY, values[1]), lock_read(values[2])
local code = IGNORED
if b and not b.newer and b.state == HALF_OPEN and b.epoch == epoch then
    code = finish(b)
end
local waiting = b ~= nil and b.state == HALF_OPEN and now - (b.waited or 0) < lease_ms
if b and b.moved then
    redis.call('DEL', LEASES)
    tell(name_of(META, BREAKER_KEY), b, lock)
end
if b and b.dirty then
    breaker_write(BREAKER_KEY, b, keep)
end
publish(CHANNEL, generation(META), sharded)
return { code, view(b, lock, 0), waiting and 1 or 0 }
