-- The tries of a task: its runs before the last, each a JSON object as kept.py writes it, with a NUL between them. A worker
-- is not told of them. Stands on steps.lua.

local tries = {MOST = 20, LONGEST = 500}

-- The text, or its beginning if it is too long. Characters are counted, and not bytes.
local function shortened(text)
    local count, last = 0, 0
    for at in string.gmatch(text, '()[%z\1-\127\194-\244][\128-\191]*') do
        count = count + 1
        if count == tries.LONGEST then
            last = at - 1
        elseif count > tries.LONGEST then
            return sub(text, 1, last) .. '…'
        end
    end
    return text
end

local function in_json(failure, part)
    return failure and cjson.encode(shortened(failure[part])) or 'null'
end

-- One more, of the run that the life tells of: from when to when, how it ended, and its error or ''. They are counted on,
-- so that the first that is kept says how many are not.
function tries.note(id, life, started, ended, how, error)
    local failure = error ~= '' and cjson.decode(error)
    local kept = has_text(life, 'a') and split(call('HGET', TEXTS, id .. 'a')) or {}
    local before = string.match(kept[#kept] or '', '^{"run":%d+,"number":(%d+),') or 0
    if #kept >= tries.MOST then
        table.remove(kept, 1)
    end
    kept[#kept + 1] = '{"run":' .. life[RUN] .. ',"number":' .. string.format('%d', before + 1)
        .. ',"attempt":' .. life[ATTEMPT] .. ',"started":' .. started .. ',"ended":' .. ended .. ',"ending":"' .. how
        .. '","kind":' .. in_json(failure, 'kind') .. ',"message":' .. in_json(failure, 'message') .. '}'
    set_text(id, life, 'a', concat(kept, '\0'))
end

local HOW = {[IS_DONE] = 'done', [IS_FAILED] = 'failed', [IS_CANCELLED] = 'cancelled'}

local function last_run(id, life)
    local kept = has_text(life, 'a') and split(call('HGET', TEXTS, id .. 'a')) or {}
    return string.match(kept[#kept] or '', '^{"run":(%d+),')
end

-- The last run of a task that has ended and is to wait again, if it had one that is not noted yet.
function tries.note_last(id, life)
    if life[STARTED] ~= '' and last_run(id, life) ~= life[RUN] then
        local error = life[STATE] == IS_FAILED and has_text(life, 'e') and call('HGET', TEXTS, id .. 'e') or ''
        tries.note(id, life, life[STARTED], life[ENDED_AT], HOW[life[STATE]], error)
    end
end

-- Tasks for who looks at them: as all_told has them, and the tries of each, '' for none.
function tries.all_told(ids)
    local tasks = all_told(ids)
    for at, id in ipairs(ids) do
        tasks[at][5] = call('HGET', TEXTS, id .. 'a') or ''
    end
    return tasks
end
