--- Which program is the server, and why there is none.

local config = require('cg2ls.config')

local M = {}

--- The folder of the environment that `:Cg2ls install` makes.
function M.environment()
  return vim.fs.joinpath(vim.fn.stdpath('data'), 'cg2ls', 'venv')
end

--- A program of an environment.
---@param folder string
---@param name string
function M.program_in(folder, name)
  local windows = vim.fn.has('win32') == 1
  return vim.fs.joinpath(folder, windows and 'Scripts' or 'bin', windows and name .. '.exe' or name)
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
  local own = M.program_in(M.environment(), 'cg2ls')
  if vim.fn.executable(own) == 1 then
    return { own, '--stdio' }, 'the environment made by `:Cg2ls install`'
  end
  return nil,
    'the server is not installed; `:Cg2ls install` makes it an environment of its own, '
      .. 'or set `cmd` to where it is. `:checkhealth cg2ls` says more.'
end

return M
