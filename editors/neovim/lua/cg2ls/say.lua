--- Messages to the user: one sentence each, and none twice.

local M = {}

---@type table<string, true>
local said = {}

--- Shows a sentence unless it was shown before.
---@param message string
---@param level? integer one of `vim.log.levels`; an error by default
function M.once(message, level)
  if said[message] then
    return
  end
  said[message] = true
  M.say(message, level)
end

--- Shows a sentence even if it was shown before, as the reply to a user's action.
---@param message string
---@param level? integer
function M.say(message, level)
  vim.schedule(function()
    vim.notify('cg2ls: ' .. message, level or vim.log.levels.ERROR, { title = 'cg2ls' })
  end)
end

--- Forgets which messages were shown, after a restart by the user.
function M.forget()
  said = {}
end

return M
