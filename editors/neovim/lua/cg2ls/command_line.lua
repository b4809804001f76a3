--- Finds the server's program, or the reason why there is none.

local config = require('cg2ls.config')
local process = require('cg2ls.process')

local M = {}

--- The folder of the environment that `:Cg2ls install` makes.
---@return string
function M.environment()
  return vim.fs.joinpath(vim.fn.stdpath('data'), 'cg2ls', 'venv')
end

--- The server's command: the setting, else `cg2ls` on PATH, else the plugin's own environment.
---@return string[]? command nil if there is none
---@return string told where it comes from, or what to do
function M.find()
  local set = config.current.cmd
  if set then
    if vim.fn.executable(set[1]) == 1 then
      return set, 'the setting `cmd`'
    end
    return nil, ('`%s`, the setting `cmd`, is not a program; correct it or remove the setting.'):format(set[1])
  end
  if vim.fn.executable('cg2ls') == 1 then
    return { 'cg2ls', '--stdio' }, 'PATH'
  end
  local own = process.program_in(M.environment(), 'cg2ls')
  if vim.fn.executable(own) == 1 then
    return { own, '--stdio' }, 'the environment made by `:Cg2ls install`'
  end
  return nil, 'the server is not installed; run `:Cg2ls install`, or set `cmd` to its path.'
end

--- The same program with other arguments instead of those that start the server.
---@param arguments string[]
---@return string[]? command
function M.with(arguments)
  local command = M.find()
  if not command then
    return nil
  end
  local words = vim.tbl_filter(function(word)
    return word ~= '--stdio' and word ~= 'serve'
  end, command)
  return vim.list_extend(words, arguments)
end

return M
