--- `:Cg2ls install`: makes an environment for the server, from a wheel or a source tree on this machine.
---
--- Only the server's dependencies are looked up by name on an index, never the server itself.

local command_line = require('cg2ls.command_line')
local process = require('cg2ls.process')
local python = require('cg2ls.python')
local say = require('cg2ls.say')

local M = {}

local running = false

--- The source tree that contains this plugin.
---@return string? folder
local function repository()
  local folder = vim.fs.normalize(vim.fn.fnamemodify(debug.getinfo(1, 'S').source:sub(2), ':p:h:h:h:h:h'))
  return vim.uv.fs_stat(vim.fs.joinpath(folder, 'cg2ls', '__main__.py')) and folder or nil
end

--- What to install: the wheel or folder that was named, else the source tree around this plugin.
---@param named string?
---@return string? path
---@return string? problem
local function source(named)
  if not named then
    local around = repository()
    return around, not around and 'name the wheel to install: `:Cg2ls install path/to/cg2ls-….whl`.' or nil
  end
  local path = vim.fs.normalize(vim.fn.fnamemodify(named, ':p'))
  local stat = vim.uv.fs_stat(path)
  if not stat then
    return nil, ('there is no %s; name a wheel or the folder of the source.'):format(path)
  elseif stat.type == 'file' and not vim.endswith(path, '.whl') then
    return nil, ('%s is not a wheel; name a file that ends with .whl, or the folder of the source.'):format(path)
  end
  return path, nil
end

local function failed(step, result)
  running = false
  say.say(('%s failed: %s'):format(step, process.last_line(result.stderr) or ('status %d'):format(result.code)))
end

---@param environment string
---@param path string
local function install_into(environment, path)
  local pip = { process.program_in(environment, 'python'), '-m', 'pip', 'install', '--disable-pip-version-check' }
  vim.list_extend(pip, { '--quiet', 'cg2ls[cpu] @ ' .. vim.uri_from_fname(path) })
  process.run(pip, {}, function(result)
    if result.code ~= 0 then
      failed('installing ' .. path, result)
      return
    end
    running = false
    say.say('installed.', vim.log.levels.INFO)
    require('cg2ls.server').restart()
  end)
end

--- Makes the environment, or replaces it.
---@param named? string a wheel or a source folder
function M.run(named)
  if running then
    say.say('an installation is already running.', vim.log.levels.WARN)
    return
  end
  local path, problem = source(named)
  local program, told = python.find()
  if not path or not program then
    say.say(problem or told)
    return
  end
  running = true
  local environment = command_line.environment()
  vim.fn.mkdir(vim.fs.dirname(environment), 'p')
  say.say(('installing %s with Python %s; about 60 MB of packages…'):format(path, told), vim.log.levels.INFO)
  process.run({ program, '-m', 'venv', '--clear', environment }, {}, function(result)
    if result.code ~= 0 then
      failed("making an environment (does this Python have its system's venv package?)", result)
    else
      install_into(environment, path)
    end
  end)
end

return M
