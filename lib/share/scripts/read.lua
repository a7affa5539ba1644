-- SPDX-License-Identifier: MIT
-- With: common window breaker
--
-- A look for people: which breakers there are, or what they and their locks say. Writes
-- nothing, so that a replica can answer; never for admission.
--
-- KEYS  meta, members, index; then for each breaker: breaker, lock
-- ARGV  the first name wanted and how many, where names are asked for

local META, MEMBERS, INDEX = unpack(KEYS)
local FIXED, EACH = 3, 2

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

local function look(i)
    local values = redis.call('MGET', KEYS[i], KEYS[i + 1])
    local b, lock = breaker_read(KEYS[i], values[1]), lock_read(values[2])
    if not b or b.newer then
        return { view(b, lock, b and 4 or 0), lock.reason, lock.actor, lock.at, 0, 0, 0 }
    end
    return { view(b, lock, 0), lock.reason, lock.actor, lock.at, window(b) }
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
