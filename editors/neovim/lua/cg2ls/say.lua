--- Messages to the person at the editor: one sentence each, and none twice.

local M = {}

---@type table<string, true>
local said = {}

--- Says a sentence, unless it was said before.
---@param message string
---@param level? integer one of `vim.log.levels`; an error by default
function M.once(message, level)
  if said[message] then
    return
  end
  said[message] = true
  M.say(message, level)
end

--- Says a sentence, whether or not it was said before: the answer to what somebody just asked for.
---@param message string
---@param level? integer
function M.say(message, level)
  vim.schedule(function()
    vim.notify('cg2ls: ' .. message, level or vim.log.levels.ERROR, { title = 'cg2ls' })
  end)
end

--- Forgets what was said, after somebody asked for a new start.
function M.forget()
  said = {}
end

return M
