-- SPDX-License-Identifier: MIT
-- Gives an item another expiry; its token stays.
-- ARGV: envelope's size, expiry as in the envelope, in digits, or 'keep' ('0': never),
-- 'tell' | ''. Answers what was stored before, where it is to tell.
-- With: envelope

local binary, expiry, tell = unpack(ARGV, 2)
local head, why = look()

if not head then
    return why
end
local value = DONE
if tell == 'tell' then
    value = redis.call('GET', key)
end
if expiry ~= 'keep' and before > 0 then
    redis.call('SETRANGE', key, 16, binary)
end
if expiry == '0' then
    redis.call('PERSIST', key)
elseif expiry ~= 'keep' then
    redis.call('PEXPIREAT', key, expiry)
end
return value
