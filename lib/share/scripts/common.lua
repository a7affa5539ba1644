-- SPDX-License-Identifier: MIT
-- What every script begins with: the server's clock, keys of a wrong type, and the
-- identity of the data.

-- A clock may move while a script runs: asked once, before anything else.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local DAY = 86400000

-- How many things stored were no use.
local corrupt = 0

-- A key of another type holds nothing of ours: it is replaced, and counted.
local function safely(command, key, ...)
    local reply = redis.pcall(command, key, ...)
    if type(reply) ~= 'table' or not reply.err then
        return reply
    end
    if string.find(reply.err, 'WRONGTYPE', 1, true) then
        corrupt = corrupt + 1
        redis.call('DEL', key)
    end
    return redis.call(command, key, ...)
end

-- The data's generation, the format a reader has to know, and when the members were
-- last looked after. A new generation is made when all was lost, so that members can
-- tell.
local function generation(meta, candidate)
    local stored = safely('HMGET', meta, 'gen', 'min_reader', 'tended')
    local gen = stored[1]
    if not gen or not string.find(gen, '^%x+$') or #gen ~= 16 then
        corrupt = corrupt + (gen and 1 or 0)
        if not candidate then
            return '0000000000000000', 0, 0
        end
        gen = candidate
        redis.call('HSET', meta, 'fmt', 1, 'min_reader', 1, 'gen', gen, 'created', now)
        redis.call('PEXPIRE', meta, DAY)
        return gen, 1, 0
    end
    return gen, tonumber(stored[2]) or 0, tonumber(stored[3]) or 0
end
