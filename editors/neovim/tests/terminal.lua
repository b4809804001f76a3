--- A Neovim in a real terminal: tmux's, whose screen can be read.

local M = {}

local plugin = require('editor').plugin
local server = require('editor').server

---@class Terminal
---@field socket string
local Terminal = {}
Terminal.__index = Terminal

local function tmux(socket, ...)
  local result = vim.system({ 'tmux', '-f', '/dev/null', '-L', socket, ... }, { text = true }):wait()
  assert(result.code == 0, result.stderr)
  return result.stdout
end

--- Opens a file in a terminal window.
---@param path string
---@param options { columns: integer, lines: integer, before?: string, after?: string, settings?: table|false }
---   before, after: Lua that runs before and after `setup`. settings: false for no `setup`.
---@return Terminal
function M.open(path, options)
  local folder = vim.fn.tempname()
  vim.fn.mkdir(folder, 'p')
  local init = folder .. '/init.lua'
  local settings = options.settings ~= false and vim.tbl_extend('keep', options.settings or {}, { cmd = server })
  local setup = settings and ("require('cg2ls').setup(%s)"):format(vim.inspect(settings)) or ''
  vim.fn.writefile(
    vim.split(
      ([[
vim.opt.runtimepath:prepend(%q)
vim.cmd.runtime('plugin/cg2ls.lua')
vim.g.loaded_python3_provider = 0
vim.o.swapfile = false
%s
%s
vim.o.statusline = " %%t %%m%%=%%{v:lua.require'cg2ls'.statusline()} %%l:%%c "
%s
]]):format(plugin, options.before or '', setup, options.after or ''),
      '\n'
    ),
    init
  )
  local self = setmetatable({ socket = vim.fs.basename(folder) .. vim.fn.getpid() }, Terminal)
  local nvim = vim.env.NVIM_UNDER_TEST or vim.v.progpath
  local env = { 'env', 'HOME=' .. folder, 'XDG_STATE_HOME=' .. folder, 'XDG_DATA_HOME=' .. folder, 'LC_ALL=C.UTF-8' }
  vim.list_extend(env, { 'CG2LS_HOME=' .. folder, 'PYTHONPATH=' .. require('editor').repository })
  vim.list_extend(env, { nvim, '--clean', '-u', init, path })
  tmux(self.socket, 'new-session', '-d', '-x', tostring(options.columns), '-y', tostring(options.lines), unpack(env))
  return self
end

--- Types text.
function Terminal:type(text)
  tmux(self.socket, 'send-keys', '-l', text)
end

--- Presses keys by tmux's names.
function Terminal:press(...)
  tmux(self.socket, 'send-keys', ...)
end

--- The text on the screen, optionally with a terminal's colour codes.
function Terminal:screen(colours)
  if colours then
    return tmux(self.socket, 'capture-pane', '-p', '-e')
  end
  return tmux(self.socket, 'capture-pane', '-p')
end

--- Waits until the screen has a text.
function Terminal:wait_for(text)
  local found = vim.wait(300000, function()
    return self:screen():find(text, 1, true) ~= nil
  end, 50)
  assert(found, ('not on the screen: %s\n%s'):format(text, self:screen()))
end

function Terminal:close()
  pcall(tmux, self.socket, 'kill-server')
end

return M
