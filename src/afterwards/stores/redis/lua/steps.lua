-- What happens to a task, step by step, and how a script ends. Stands on shared.lua.

local function run_for(id, life, worker)
    life[HELD], life[WORKER], life[STARTED], life[TOUCHED], life[LIMITED] = '', worker, NOW_TEXT, TOKEN, ''
    life[RUN], life[ATTEMPT] = whole(life[RUN] + 1), whole(life[ATTEMPT] + 1)
    mark(id, life, IS_RUNNING)
    call('ZADD', RUNNING, 0, worker .. '\0' .. id)
end

-- `passed` are the gates that it has passed, if quotas count it.
local function take(id, life, worker, passed)
    leave(id, life)
    if find(life[HAS], 'p', 1, true) then
        call('HDEL', TEXTS, id .. 'p')
        life[HAS] = string.gsub(life[HAS], 'p', '')
    end
    run_for(id, life, worker)
    if passed and #passed > 0 then
        gates.count_run(id, life)
    end
    write(id, life)
end

local function stop_running(id, life)
    call('ZREM', RUNNING, life[WORKER] .. '\0' .. id)
    if life[STOP] == '1' then
        call('ZREM', STOPPING, life[WORKER] .. '\0' .. id)
    end
    life[WORKER] = ''
    if life[LIMITED] == '1' then
        gates.free_place(id, life)
    end
end

-- The members of an index that begin with a worker's id, or with a former's: texts that end before what follows.
local function of_worker(key, worker, limit)
    return call('ZRANGEBYLEX', key, '[' .. worker .. '\0', '(' .. worker .. '\1', 'LIMIT', 0, limit)
end

local function has_text(life, letter)
    return find(life[HAS], letter, 1, true)
end

-- Texts that few tasks have: e(rror), r(esult), p(rogress), l(ogs), k(ey), u(nique for), t(race), o(f its run to be kept),
-- g(ates, by what they count it), c(hain: its id, and the rest of the link), n(eeds of a step), f(ailure: the class of
-- the error, so that who looks for one need not read thousands of tracebacks), a(ttempts: its tries). Empty: none.
local function set_text(id, life, letter, text)
    if text ~= '' then
        call('HSET', TEXTS, id .. letter, text)
        if not has_text(life, letter) then
            life[HAS] = life[HAS] .. letter
        end
    elseif has_text(life, letter) then
        call('HDEL', TEXTS, id .. letter)
        life[HAS] = string.gsub(life[HAS], letter, '')
    end
end

local function set_error(id, life, error)
    set_text(id, life, 'e', error)
    set_text(id, life, 'f', string.match(error, '^{"kind": "(.-)", "message": ') or '')
end

-- The members of an index that begin with the id of a task, or of a chain.
local function beginning_with(key, id, limit)
    return call('ZRANGEBYLEX', key, '[' .. id, '(' .. id .. 'g', 'LIMIT', 0, limit)
end

-- Chains: who of each has not ended. Until nobody is left all of it stays, since one may want the results of another. The
-- ended ones that came up to be deleted meanwhile are `spared`: they are in no other index of ended tasks until then.

local chains = {}

function chains.of(id, life)
    return has_text(life, 'c') and sub(call('HGET', TEXTS, id .. 'c'), 1, ID_WIDTH)
end

function chains.join(id, life)
    local chain = chains.of(id, life)
    if chain then
        call('ZADD', CHAINS, 0, chain .. id)
    end
end

function chains.leave(id, life)
    local chain = chains.of(id, life)
    if not chain or call('ZREM', CHAINS, chain .. id) == 0 or #beginning_with(CHAINS, chain, 1) > 0 then
        return
    end
    for _, member in ipairs(beginning_with(SPARED, chain, -1)) do
        local spared = read(id_of(member))
        call('ZREM', SPARED, member)
        call('ZADD', ENDED, spared[ENDED_AT], id_of(member))
        grown = grown + spared[SIZE]
    end
end

local function finish(id, life, state)
    life[HELD], life[FREED], life[ENDED_AT] = '', '1', NOW_TEXT
    local size = OVERHEAD + call('HSTRLEN', CALLS, id)
    for letter in string.gmatch(life[HAS], '.') do
        size = size + call('HSTRLEN', TEXTS, id .. letter)
    end
    life[SIZE] = whole(size)
    grown = grown + size
    mark(id, life, state)
    call('ZADD', ENDED, NOW_TEXT, id)
    chains.leave(id, life)
end

-- Keys: under a function's name and a key, who took it last, and until when he holds it if he has been erased. The ids of
-- calls that found their key held are other names of its holder.

local function field_of(name, key)
    return name .. '\0' .. key
end

local function key_text(id, life)
    return has_text(life, 'k') and call('HGET', TEXTS, id .. 'k')
end

-- When the key of an ended task is free; nil when that is so at once.
local function free_at(id, life)
    local unique_for = life[ENDED_AT] ~= '' and has_text(life, 'u') and call('HGET', TEXTS, id .. 'u')
    local at = unique_for and life[ENDED_AT] + unique_for
    return at and at > NOW and whole(at) or nil
end

-- Who holds a key now, and his life if he is still there; nil if nobody does.
local function holder_of(field)
    local held = call('HGET', HOLDERS, field)
    if not held then
        return nil
    end
    local id, kept_until = unpack(split(held))
    local life = read(id)
    if not life then
        return kept_until ~= '' and tonumber(kept_until) > NOW and id or nil
    end
    if life[ENDED_AT] == '' or free_at(id, life) then
        return id, life
    end
end

local function hold(field, id)
    call('HSET', HOLDERS, field, id .. '\0')
    call('ZREM', KEPT, field)
end

local function add_twin(twin, id)
    call('HSET', TWINS, twin, id)
    call('ZADD', NAMES, 0, id .. twin)
end

local function twins_of(id)
    local twins = {}
    for at, member in ipairs(beginning_with(NAMES, id, -1)) do
        twins[at] = id_of(member)
    end
    return twins
end

-- The task that an id names: another, if it is a twin.
local function named_by(id)
    return call('HGET', TWINS, id) or id
end

-- Before a task is erased: its key, unless that is held for longer, and its other names.
local function let_go(id, life, key)
    local field = field_of(line(life[LINE]).name, key)
    local held = call('HGET', HOLDERS, field)
    if held and split(held)[1] == id then
        local at = free_at(id, life)
        if at then
            call('HSET', HOLDERS, field, id .. '\0' .. at)
            call('ZADD', KEPT, at, field)
        else
            call('HDEL', HOLDERS, field)
        end
    end
    for _, twin in ipairs(twins_of(id)) do
        call('HDEL', TWINS, twin)
        call('ZREM', NAMES, id .. twin)
    end
end

-- The member for a step that was cancelled since what it needs was not done: under the id of that, for who retries it.
function chains.broken(id, life)
    return life[AFTER] .. life[SEQUENCE] .. id
end

function chains.forget(id, life)
    if life[ENDED_AT] == '' then
        chains.leave(id, life)
    elseif life[STATE] == IS_CANCELLED then
        call('ZREM', BROKEN, chains.broken(id, life))
    end
    call('ZREMRANGEBYLEX', BROKEN, '[' .. id, '(' .. id .. 'g')
end

local function erase(id, life)
    call('HDEL', CALLS, id)  -- first, since it makes room: what follows may not be refused
    if has_text(life, 'c') then
        chains.forget(id, life)
    end
    local key = key_text(id, life)
    if key then
        let_go(id, life, key)
    end
    call('HDEL', LIVES, id)
    for letter in string.gmatch(life[HAS], '.') do
        call('HDEL', TEXTS, id .. letter)
    end
    call('ZREM', INDEX, life[SEQUENCE] .. id)
    if life[ENDED_AT] ~= '' then
        call('ZREM', ENDED, id)
        grown = grown - life[SIZE]
    end
end

-- What a worker that is signed on has counted, in place of what it brought before. Empty: nothing new.
local function keep_tally(worker, tally)
    if tally ~= '' and call('HEXISTS', WORKERS, worker) == 1 then
        call('HSET', TALLIES, worker, tally)
    end
end

-- A task as it is told to the caller, without its tries.
local function told(id)
    local life = call('HGET', LIVES, id)
    local texts = {}
    for letter in string.gmatch(split(life)[HAS], '[^a]') do
        texts[#texts + 1] = letter
        texts[#texts + 1] = call('HGET', TEXTS, id .. letter)
    end
    return {id, life, call('HGET', CALLS, id), texts}
end

local function all_told(ids)
    local tasks = {}
    for at, id in ipairs(ids) do
        tasks[at] = told(id)
    end
    return tasks
end

-- The chain of a task, if others of it have not ended.
function chains.goes_on(id, life)
    local chain = chains.of(id, life)
    return chain and #beginning_with(CHAINS, chain, 1) > 0 and chain
end

-- Deletes an ended task, or spares it as long as its chain goes on; whether it is gone.
local function retire(id)
    local life = read(id)
    local chain = chains.goes_on(id, life)
    if not chain then
        erase(id, life)
        return true
    end
    call('ZREM', ENDED, id)  -- first, since it makes room
    call('ZADD', SPARED, 0, chain .. id)
    grown = grown - life[SIZE]
    return false
end

-- The oldest ended tasks go when there are too many of them, or too large ones: a bounded number for each script.
local function trim()
    local excess = math.min(call('ZCARD', ENDED) - MOST_ENDED, 1000)
    if excess > 0 then
        for _, id in ipairs(call('ZRANGE', ENDED, 0, excess - 1)) do
            retire(id)
        end
    end
    local bytes = tonumber(call('HGET', META, 'ended_bytes') or '0') + grown
    local left = 1000
    while bytes > MOST_BYTES and left > 0 do
        local oldest = call('ZRANGE', ENDED, 0, 0)[1]
        if not oldest then
            break
        end
        local before = grown
        retire(oldest)
        bytes, left = bytes + grown - before, left - 1
    end
end

-- The end of every script: keeps the history within its bounds, and wakes who waits for something to claim.
local function answer(payload)
    if grown > 0 then
        trim()
    end
    if grown ~= 0 then
        call('HINCRBY', META, 'ended_bytes', whole(grown))
    end
    if rings then
        call('PUBLISH', CHANNEL, CALLER)
    end
    return {rings and 1 or 0, payload}
end
