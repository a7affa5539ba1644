-- SPDX-License-Identifier: MIT
-- A plain string and when it expires, of one moment: ms since 1970, 0 never, -1 a server
-- before Redis 7.0, which cannot tell. ARGV: 0.
-- With: envelope

local found, why = look()

if not found then
    return why
end
local expiry = redis.pcall('PEXPIRETIME', key)
if type(expiry) == 'table' then
    expiry = -1
elseif expiry == -1 then
    expiry = 0
end
return { redis.call('GET', key), expiry }
