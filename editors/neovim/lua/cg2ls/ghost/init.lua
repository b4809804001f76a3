--- Ghost text of either view: what is shown, and accepting it into the buffer.

local compat = require('cg2ls.compat')
local config = require('cg2ls.config')
local edit = require('cg2ls.edit')
local items_of = require('cg2ls.ghost.item')
local text_of = require('cg2ls.text')

local M = {}

---@type table<integer, table> the view of each buffer
local views = {}

--- The name of the view that the settings ask for.
---@return 'native'|'own'
function M.kind()
  local native = config.current.ghost_text == 'native' and compat.has_native and config.current.auto
  return native and 'native' or 'own'
end

--- Begins to show ghost text in a buffer.
---@param buf integer
---@param client_id integer
function M.attach(buf, client_id)
  M.detach(buf)
  local view = require('cg2ls.ghost.' .. M.kind())
  views[buf] = view
  view.attach(buf, client_id)
end

--- Ends it.
---@param buf integer
function M.detach(buf)
  if views[buf] then
    views[buf].detach(buf)
    views[buf] = nil
  end
end

--- The part of a buffer's ghost text that is not typed yet.
---@param buf integer
---@return cg2ls.Left?
---@return cg2ls.Item?
function M.shown(buf)
  local item = views[buf] and views[buf].current(buf)
  return item and items_of.left(item, buf), item
end

--- Accepts a part of the ghost text into the buffer.
---@param buf integer
---@param part 'all'|'word'|'line'
---@return boolean accepted false if there was no ghost text
function M.accept(buf, part)
  local view = views[buf]
  if not view then
    return false
  end
  local left, item = M.shown(buf)
  if not left or not item then
    return part == 'all' and not item and view.accept_blindly ~= nil and view.accept_blindly(buf)
  end
  local accepted = text_of.part(left.text, part)
  edit.insert(buf, accepted, text_of.consumed(left.text, left.covered, #accepted))
  local rest = items_of.after(item, left, accepted)
  view.replace(buf, rest)
  local client = vim.lsp.get_client_by_id(item.client_id)
  if not rest and item.command and client then
    local command = { command = item.command.command, arguments = item.command.arguments }
    compat.request(client, 'workspace/executeCommand', command, function() end, buf)
  end
  return true
end

--- Requests again if the user types and nothing is shown, for instance because the model has just been opened.
function M.ask_again()
  local buf = vim.api.nvim_get_current_buf()
  if views[buf] and config.current.auto and not M.shown(buf) then
    views[buf].ask_again(buf)
  end
end

--- Calls another function of a view.
---@param name 'dismiss'|'cycle'|'complete'
---@param buf integer
---@return boolean done whether the buffer has ghost text at all
function M.call(name, buf, ...)
  if not views[buf] then
    return false
  end
  views[buf][name](buf, ...)
  return true
end

return M
