-- SPDX-License-Identifier: MIT
-- With: common window breaker
--
-- A look for people: which breakers there are, or what they, their locks and the limits of
-- that name say. Writes nothing, so that a replica can answer; never for admission.
--
-- KEYS  meta, members, index; then for each breaker: breaker, lock, places, who waits for
--       one, their limit, rate limit
-- ARGV  the first name wanted and how many, where names are asked for

local META, MEMBERS, INDEX = unpack(KEYS)
local FIXED, EACH = 3, 6

-- Nothing where the key is of another type.
local function either(command, ...)
    local reply = redis.pcall(command, ...)
    if type(reply) == 'table' and reply.err then
        return nil
    end
    return reply
end

local function names()
    return either('ZRANGEBYSCORE', INDEX, now, '+inf', 'LIMIT', ARGV[1], ARGV[2]) or {}
end

-- While it is open nothing is added: the window is the one that opened it.
local function window(b)
    if b.state == OPEN then
        return total_then(b)
    end
    return total(b)
end

-- A number that a reply can hold, whatever was stored.
local function whole(n)
    n = tonumber(n) or 0
    return n >= 0 and math.min(math.floor(n), WHOLE - 1) or 0
end

-- Tokens that are there, and the limit they are of; of the limit of a later keel nothing.
local function tokens(raw)
    if not raw or #raw ~= 40 then
        return 0, 0, 0, 0
    end
    local magic, fmt, _, at, count, period_us, burst = struct.unpack('>BBI6I8I8I8I8', raw)
    if magic ~= 82 or fmt ~= 1 or count < 1 or period_us < 1 then
        return 0, 0, 0, 0
    end
    local ahead = math.max(at - clock[1] * 1000000 - clock[2], 0)
    return whole(burst - ahead * count / period_us + 0.000001), whole(count),
        whole(period_us), whole(burst)
end

local function look(i)
    local values = redis.call('MGET', KEYS[i], KEYS[i + 1], KEYS[i + 4], KEYS[i + 5])
    local b, lock = breaker_read(KEYS[i], values[1]), lock_read(values[2])
    local calls, bad, slow, flags = 0, 0, 0, 0
    if b and b.newer then
        flags = 4
    elseif b then
        calls, bad, slow = window(b)
    end
    return { view(b, lock, flags), lock.reason, lock.actor, lock.at, calls, bad, slow,
        either('ZCOUNT', KEYS[i + 2], now, '+inf') or 0, whole(values[3]),
        (either('ZCOUNT', KEYS[i + 3], now, '+inf') or 0) > 0 and 1 or 0,
        tokens(values[4]) }
end

local gen = either('HGET', META, 'gen') or ''
local live = either('ZCOUNT', MEMBERS, now, '+inf') or 0
if #KEYS == FIXED then
    return { now, gen, live, names() }
end
local looks = {}
for i = FIXED + 1, #KEYS, EACH do
    looks[#looks + 1] = look(i)
end
return { now, gen, live, looks }
