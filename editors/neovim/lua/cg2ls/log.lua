--- `:Cg2ls log`: what the server said, and where the rest lies.

local compat = require('cg2ls.compat')

local M = {}

local MOST = 300

local said = {} ---@type string[] lines of `window/logMessage` and `window/showMessage`

local LEVELS = { 'error', 'warning', 'info', 'log', 'debug' }

--- Keeps a message of the server.
---@param params { type: integer, message: string }
function M.keep(params)
  table.insert(said, ('%s %s: %s'):format(os.date('%H:%M:%S'), LEVELS[params.type] or 'info', params.message))
  if #said > MOST then
    table.remove(said, 1)
  end
end

local function open(lines)
  vim.cmd.tabnew()
  local buf = vim.api.nvim_get_current_buf()
  vim.api.nvim_buf_set_lines(buf, 0, -1, false, lines)
  vim.bo[buf].buftype = 'nofile'
  vim.bo[buf].bufhidden = 'wipe'
  vim.bo[buf].modifiable = false
  vim.bo[buf].filetype = 'log'
  vim.cmd.normal({ 'G', bang = true })
end

--- Opens the log in a tab of its own.
function M.show()
  local path = vim.lsp.log and vim.lsp.log.get_filename and vim.lsp.log.get_filename() or vim.lsp.get_log_path()
  local status = require('cg2ls.status').now
  local lines = { 'log of Neovim: ' .. path, 'state: ' .. status.state .. ' ' .. (status.message or ''), '' }
  vim.list_extend(lines, #said > 0 and said or { 'The server said nothing yet.' })
  local client = require('cg2ls.server').client()
  if not client then
    open(lines)
    return
  end
  local command = { command = 'cg2ls.server.showLog', arguments = {} }
  compat.request(client, 'workspace/executeCommand', command, function(_, found)
    local own = found and found.lines or {}
    if found and type(found.file) == 'string' then -- null is not nil here
      table.insert(lines, 2, 'log of the server: ' .. found.file)
    end
    if #own > 0 then
      vim.list_extend(lines, { '', "the server's own log:" })
      vim.list_extend(lines, own)
    end
    open(vim.split(table.concat(lines, '\n'), '\n'))
  end, 0)
end

return M
