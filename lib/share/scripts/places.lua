-- SPDX-License-Identifier: MIT
-- With: common
--
-- A bulkhead of the whole fleet. A member says how many places it wants to hold from now
-- on, counting those it has, and renews them with that; what it does not renew runs out.
-- Said twice it comes to the same. Who holds idle places is told when others wait.
--
-- KEYS  places, waiting, limit (for who looks)
-- ARGV  member, request (README.md)

local PLACES, WAITING, LIMIT = unpack(KEYS)
local member = ARGV[1]
local limit, want, have, lease_ms = struct.unpack('>I4HHI4', ARGV[2])

local function mine(first, last)
    local names = {}
    for i = first, last do
        names[#names + 1] = member .. ':' .. i
    end
    return names
end

-- Places that end later than any can were taken before the clock went back.
local function expire()
    safely('ZREMRANGEBYSCORE', PLACES, '-inf', now)
    local far = redis.call('ZRANGEBYSCORE', PLACES, now + 4 * lease_ms, '+inf', 'LIMIT', 0,
        256)
    for _, place in ipairs(far) do
        redis.call('ZADD', PLACES, now + lease_ms, place)
    end
end

-- How many of its places the member still has.
local function held()
    local n, last = 0, math.max(want, have)
    if last > 0 then
        for _, ends in ipairs(redis.call('ZMSCORE', PLACES, unpack(mine(1, last)))) do
            n = n + (ends and 1 or 0)
        end
    end
    return n
end

local function hold(n)
    local scored = {}
    for _, name in ipairs(mine(1, n)) do
        scored[#scored + 1] = now + lease_ms
        scored[#scored + 1] = name
    end
    if n > 0 then
        redis.call('ZADD', PLACES, unpack(scored))
        redis.call('PEXPIRE', PLACES, 2 * lease_ms)
    end
    if n < have then
        redis.call('ZREM', PLACES, unpack(mine(n + 1, have)))
    end
end

-- Whoever asks in vain waits from then on, for longer than any holder goes without asking.
-- Each for itself: of two who ask in turn neither hides the other. None waits longer than
-- can be, whatever the clock did.
local function others_wait(in_vain)
    local longest = math.floor(lease_ms / 3)
    safely('ZREMRANGEBYSCORE', WAITING, '-inf', now)
    redis.call('ZREMRANGEBYSCORE', WAITING, '(' .. now + longest, '+inf')
    local mine = redis.call('ZSCORE', WAITING, member) and 1 or 0
    local all = redis.call('ZCARD', WAITING)
    if in_vain then
        redis.call('ZADD', WAITING, now + longest, member)
        redis.call('PEXPIRE', WAITING, lease_ms)
    end
    return all > mine
end

expire()
local others = redis.call('ZCARD', PLACES) - held()
local granted = math.max(math.min(want, limit - others), 0)
hold(granted)
redis.call('SET', LIMIT, limit, 'PX', 2 * lease_ms)
return { granted, others, others_wait(granted < want) and 1 or 0, corrupt }
